/*
 * chat-server: one small room behind the server skeleton that rpcgen makes of chat.x. It shows that the Python
 * client works with a server whose wire format is not ours.
 *
 * It listens on 127.0.0.1, and does not register with rpcbind. The procedures are in procedures.c.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "procedures.h"
#include "store.h"

enum {
    DATAGRAM_REPLIES = 200,   /* kept, so that a call that is sent twice happens once */
    TRIES = 16,               /* to find a port that is free for TCP and for UDP */
};

extern void chat_prog_1(struct svc_req *, SVCXPRT *); /* rpcgen writes it and does not declare it */

static int bound(int type, struct sockaddr_in *address)
{
    struct sockaddr *any = (struct sockaddr *)address;
    socklen_t size = sizeof *address;
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0), on = 1;

    if (fd < 0)
        return -1;
    if (type == SOCK_STREAM)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, any, size) != 0 || getsockname(fd, any, &size) != 0 ||
        (type == SOCK_STREAM && listen(fd, 64) != 0)) {
        close(fd);
        return -1;
    }
    return fd;
}

/* Find a port that is free for TCP and UDP; `wanted` 0: any. Return it, or -1 and errno. */
static int open_port(int wanted, int *stream, int *datagram)
{
    for (int i = 0; i < TRIES; i++) {
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)wanted)};

        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        *stream = bound(SOCK_STREAM, &address);
        *datagram = *stream < 0 ? -1 : bound(SOCK_DGRAM, &address);
        if (*datagram >= 0)
            return ntohs(address.sin_port);
        if (*stream >= 0)
            close(*stream);
        if (wanted != 0)
            break;
    }
    return -1;
}

int main(int count, char **words)
{
    char *rest = "";
    long wanted = count > 1 ? strtol(words[1], &rest, 10) : 0;
    SVCXPRT *connections;
    int port, stream, datagram;

    if (count > 2 || *rest != '\0' || wanted < 0 || wanted > 65535) {
        fprintf(stderr, "usage: chat-server [PORT]\n");
        return 2;
    }
    if (setlocale(LC_CTYPE, "C.UTF-8") == NULL) {
        fprintf(stderr, "chat-server: this system has no locale C.UTF-8\n");
        return 1;
    }
    signal(SIGPIPE, SIG_IGN);
    port = open_port((int)wanted, &stream, &datagram);
    if (port < 0) {
        fprintf(stderr, "chat-server: port %ld: %s\n", wanted, strerror(errno));
        return 1;
    }
    connections = svctcp_create(stream, 0, 0);
    datagrams = svcudp_create(datagram);
    /* Protocol 0: do not register with rpcbind. */
    if (connections == NULL || datagrams == NULL ||
        !svc_register(connections, CHAT_PROG, CHAT_V1, chat_prog_1, 0) ||
        !svc_register(datagrams, CHAT_PROG, CHAT_V1, chat_prog_1, 0) ||
        !svc_dg_enablecache(datagrams, DATAGRAM_REPLIES)) {
        fprintf(stderr, "chat-server: libtirpc does not serve here\n");
        return 1;
    }
    make_secret(epoch, sizeof epoch);
    append(CHAT_OPENED, NULL)->text = epoch;
    printf("port %d\n", port);
    fflush(stdout);
    svc_run();
    return 1;
}
