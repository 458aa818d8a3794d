/* A connection to the server that is made anew when it breaks, and the end of everything. See link.h. */
#include "link.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    CONNECT_S = 5,
    FIRST_RETRY_MS = 100, /* then twice as long each time, ... */
    LAST_RETRY_MS = 2000, /* ... up to this */
    UDP_RETRY_S = 2,      /* then libtirpc sends a call again, with the same xid */
};

struct server server;

/* ---- the end ------------------------------------------------------------- */

_Atomic int failed;

static int latch[2]; /* a pipe: when there is a byte in it, everything ends. Nobody reads it. */

int begin(void)
{
    return pipe(latch) == 0 ? latch[0] : -1;
}

void end(void)
{
    int before = errno;

    if (write(latch[1], "", 1) != 1)
        failed = 1;
    errno = before;
}

int pause_ms(int ms)
{
    struct pollfd ending = {.fd = latch[0], .events = POLLIN};
    int found;

    while ((found = poll(&ending, 1, ms)) < 0 && errno == EINTR)
        ;
    return found != 0;
}

void refuse(const char *format, ...)
{
    va_list arguments;

    failed = 1;
    va_start(arguments, format);
    vtell("!", format, arguments);
    va_end(arguments);
}

void give_up(const char *format, ...)
{
    va_list arguments;

    if (pause_ms(0))
        return;
    failed = 1;
    va_start(arguments, format);
    vtell("!", format, arguments);
    va_end(arguments);
    end();
}

long long now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/* ---- connections --------------------------------------------------------- */

/* Return a socket that is connected to this address, or -1 and errno. */
static int connect_to(const struct addrinfo *address)
{
    struct timeval patience = {.tv_sec = CONNECT_S};
    int fd = socket(address->ai_family, address->ai_socktype | SOCK_CLOEXEC, address->ai_protocol);

    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience); /* on Linux for connect, too */
    if (connect(fd, address->ai_addr, address->ai_addrlen) != 0) {
        int why = errno;
        close(fd);
        errno = why;
        return -1;
    }
    return fd;
}

/* Make a handle of a socket. Given one, clnt_tli_create asks neither rpcbind nor /etc/netconfig. */
static CLIENT *client_of(int fd, const struct addrinfo *address, int wait_s)
{
    struct netbuf to = {.maxlen = address->ai_addrlen, .len = address->ai_addrlen, .buf = address->ai_addr};
    struct timeval wait = {.tv_sec = wait_s}, retry = {.tv_sec = UDP_RETRY_S};
    CLIENT *client = clnt_tli_create(fd, NULL, &to, CHAT_PROG, CHAT_V1, 0, 0);

    if (client == NULL)
        return NULL;
    clnt_control(client, CLSET_FD_CLOSE, NULL);
    clnt_control(client, CLSET_TIMEOUT, (char *)&wait); /* instead of the 25 s that the stubs have */
    if (server.udp)
        clnt_control(client, CLSET_RETRY_TIMEOUT, (char *)&retry);
    if (server.token[0] != '\0') { /* the machine name is all that a credential can carry */
        AUTH *shown = authunix_create(server.token, 0, 0, 0, NULL);
        if (shown != NULL) {
            auth_destroy(client->cl_auth);
            client->cl_auth = shown;
        }
    }
    return client;
}

static void explain(struct link *link, int error)
{
    char why[sizeof link->why];

    if (error == ECONNREFUSED)
        snprintf(why, sizeof why, "nothing listens on %s port %s: start a server there, chat serve oncrpc",
                 server.host, server.port);
    else
        snprintf(why, sizeof why, "cannot reach %s port %s: %s", server.host, server.port,
                 error == EINPROGRESS ? "no answer" : strerror(error));
    down(link, why);
}

int dial(struct link *link)
{
    struct addrinfo hints = {.ai_flags = AI_NUMERICSERV}, *found;
    int error;

    hints.ai_socktype = server.udp ? SOCK_DGRAM : SOCK_STREAM;
    error = getaddrinfo(server.host, server.port, &hints, &found);
    if (error != 0) {
        char why[sizeof link->why];

        snprintf(why, sizeof why, "%s port %s: %s", server.host, server.port, gai_strerror(error));
        down(link, why);
        return 0;
    }
    for (struct addrinfo *one = found; one != NULL && link->client == NULL; one = one->ai_next) {
        int fd = connect_to(one);
        if (fd < 0) {
            error = errno;
            continue;
        }
        link->client = client_of(fd, one, link->wait_s);
        if (link->client == NULL) {
            error = EPROTONOSUPPORT;
            close(fd);
        } else {
            link->fd = fd;
        }
    }
    freeaddrinfo(found);
    if (link->client == NULL)
        explain(link, error);
    return link->client != NULL;
}

void hang_up(struct link *link)
{
    if (link->client == NULL)
        return;
    link->fd = -1;
    auth_destroy(link->client->cl_auth);
    clnt_destroy(link->client); /* closes the socket, too */
    link->client = NULL;
}

void down(struct link *link, const char *why)
{
    snprintf(link->why, sizeof link->why, "%s", why);
    if (link->retry_ms == 0) {
        link->since = now_ms();
        link->retry_ms = FIRST_RETRY_MS;
    } else if ((link->retry_ms *= 2) > LAST_RETRY_MS) {
        link->retry_ms = LAST_RETRY_MS;
    }
}

int wait_to_retry(struct link *link)
{
    if (link->retry_ms > 0 && now_ms() - link->since >= server.away_ms) {
        give_up("%s", link->why);
        return 0;
    }
    return !pause_ms(link->retry_ms);
}

/*
 * After a timeout the answer may still come, and libtirpc takes it for the answer to the next call: from then
 * on every call finds the answer to the one before it, and times out. And when arguments could not be
 * encoded, the half of them that could is on the wire.
 */
int is_broken(enum clnt_stat status)
{
    return status == RPC_CANTSEND || status == RPC_CANTRECV || status == RPC_TIMEDOUT ||
           status == RPC_CANTENCODEARGS;
}
