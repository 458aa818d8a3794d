/*
 * chat-client: a chat for the terminal, on the stubs that rpcgen makes of chat.x.
 *
 * A CLIENT handle is locked for as long as a call takes, and the call that waits for news takes up to 20 s.
 * So there are two threads, each with a connection of its own: the listener prints what happens, the main
 * thread sends what is typed. It sends one draft at a time, and the next when the room has answered: a call
 * that got no answer may have been served all the same, and is made again with the same number.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "chat.h"
#include "link.h"
#include "room.h"
#include "terminal.h"

enum {
    SPEAK_S = 10,        /* for the answer to a call that has nothing to wait for */
    LISTEN_S = 25,       /* for one that waits for news */
    GOODBYE_S = 2,
    UDP_WAIT_MS = 1000,  /* for news: a call that waits longer would be sent again meanwhile */
    IDLE_MS = 250,       /* between two calls to a server that does not wait for news */
    AWAY_MS = 20000, /* without a server, until the program gives up */
    HOLD_MS = 1000,      /* where a refusal does not say how long to wait */
};

static struct link speaking = {.fd = -1, .wait_s = SPEAK_S};
static struct link listening = {.fd = -1, .wait_s = LISTEN_S};
static chat_number said; /* the newest event of our own */

/* ---- listening ----------------------------------------------------------- */

static void *listen_on(void *unused)
{
    unsigned wait_ms = server.udp ? UDP_WAIT_MS : CHAT_MAX_WAIT_MS;

    while (ready(&listening)) {
        long long asked = now_ms();

        if (fetch(&listening, wait_ms) == 0 && now_ms() - asked < IDLE_MS)
            pause_ms(IDLE_MS);
    }
    hang_up(&listening);
    return unused;
}

/* ---- speaking ------------------------------------------------------------ */

static enum clnt_stat offer(const struct draft *draft, char *key, draft_res *res)
{
    send_args send = {.seat_key = key, .n = draft->n, .text = draft->text};
    edit_args edit = {.seat_key = key, .n = draft->n, .id = draft->id, .text = draft->text};
    delete_args delete = {.seat_key = key, .n = draft->n, .id = draft->id};

    switch (draft->kind) {
    case CHAT_EDITED:
        return chat_edit_1(edit, res, speaking.client);
    case CHAT_DELETED:
        return chat_delete_1(delete, res, speaking.client);
    default:
        return chat_send_1(send, res, speaking.client);
    }
}

/*
 * Give the draft its number. When it had one under another seat, that seat is gone, and with it what the
 * room knew of its numbers: but had it been said, its event would have been printed by now.
 */
static void number(struct draft *draft, char *key)
{
    lock();
    if (strcmp(draft->seat, room.seat) != 0) {
        draft->n = ++room.n;
        memcpy(draft->seat, room.seat, sizeof draft->seat);
    }
    memcpy(key, room.key, sizeof room.key);
    unlock();
}

/* Offer the draft once. Returns 0 when the room has decided about it, else how long to wait, in ms. */
static int try(struct draft *draft, int *waited_ms)
{
    char key[sizeof room.key];
    draft_res res = {0};
    const chat_error *error = &res.draft_res_u.error;
    enum clnt_stat status;
    int wait_ms = 0;

    number(draft, key);
    status = offer(draft, key, &res);
    if (is_broken(status)) {
        broken(&speaking, status);
        wait_ms = 1;
    } else if (status == RPC_CANTDECODEARGS) {
        refuse("the server can't read this: is it UTF-8?");
    } else if (status != RPC_SUCCESS) {
        refuse("%s", clnt_sperrno(status));
    } else if (res.status == CHAT_OK) {
        lock();
        draft->seq = res.draft_res_u.ok.seq;
        unlock();
    } else if (res.status == CHAT_SEAT_GONE) {
        seat_gone(key);
        wait_ms = 1;
    } else if (passes(res.status, error) && (res.status == CHAT_TOO_FAST || *waited_ms < AWAY_MS)) {
        wait_ms = error->retry_after_ms > 0 ? (int)error->retry_after_ms : HOLD_MS;
        if (wait_ms < 0 || wait_ms > AWAY_MS)
            wait_ms = AWAY_MS;
        *waited_ms += wait_ms;
    } else {
        refuse("%s", error->text);
    }
    if (!is_broken(status))
        up(&speaking);
    xdr_free((xdrproc_t)xdr_draft_res, (char *)&res);
    return wait_ms;
}

/* Return what the draft has become, as far as either thread knows. */
static chat_number outcome(const struct draft *draft)
{
    chat_number seq;

    lock();
    seq = draft->seq;
    unlock();
    return seq;
}

/* Have a draft decided, however often the connection breaks meanwhile. */
static void submit(chat_kind kind, chat_number id, char *text)
{
    struct draft draft = {.kind = kind, .id = id, .text = text};
    int wait_ms = 1, waited_ms = 0;
    chat_number head;

    lock();
    room.draft = &draft;
    unlock();
    while (wait_ms > 0 && outcome(&draft) == 0) {
        if (!ready(&speaking)) {
            refuse(draft.n != 0 ? "it is unknown whether this was stored: %.60s" : "not sent: %.60s", text);
            break;
        }
        lock();
        head = draft.n != 0 ? room.head : 0;
        unlock();
        if (!catch_up(&speaking, head)) /* it was under way: perhaps the room has it, and says so */
            continue;
        if (outcome(&draft) == 0) {
            wait_ms = try(&draft, &waited_ms);
            if (wait_ms > 1)
                pause_ms(wait_ms);
        }
    }
    lock();
    room.draft = NULL;
    unlock();
    if (draft.seq > said)
        said = draft.seq;
}

/* Say who is here, page by page. */
static void who(void)
{
    char key[sizeof room.key];
    members_args args = {.seat_key = key};
    int more = 1;

    while (more && ready(&speaking)) {
        members_res res = {0};
        enum clnt_stat status;

        lock();
        memcpy(key, room.key, sizeof key);
        unlock();
        status = chat_members_1(args, &res, speaking.client);
        if (is_broken(status)) {
            broken(&speaking, status);
            continue;
        }
        up(&speaking);
        more = 0;
        if (status != RPC_SUCCESS) {
            refuse("%s", clnt_sperrno(status));
        } else if (res.status == CHAT_SEAT_GONE) {
            seat_gone(key);
            more = 1;
        } else if (res.status != CHAT_OK) {
            refuse("%s", res.members_res_u.error.text);
        } else {
            members_ok *ok = &res.members_res_u.ok;
            for (u_int i = 0; i < ok->members.members_len; i++)
                show_member(&ok->members.members_val[i]);
            args.skip += ok->members.members_len;
            more = ok->more && ok->members.members_len > 0;
        }
        xdr_free((xdrproc_t)xdr_members_res, (char *)&res);
    }
    fflush(stdout);
}

/* ---- what is typed ------------------------------------------------------- */

static void submit_text(chat_kind kind, chat_number id, char *text)
{
    if (strlen(text) > CHAT_MAX_TEXT)
        refuse("the message has %zu bytes, %d are allowed: send it in parts", strlen(text), CHAT_MAX_TEXT);
    else
        submit(kind, id, text);
}

/* Read the ID after a command; returns what comes after it and its blank, or NULL. */
static char *after_id(char *words, chat_number *id)
{
    char *rest;

    if (*words < '0' || *words > '9')
        return NULL;
    errno = 0;
    *id = strtoull(words, &rest, 10);
    if (errno != 0 || (*rest != ' ' && *rest != '\0'))
        return NULL;
    return *rest == ' ' ? rest + 1 : rest;
}

/* Returns 0 for /quit. */
static int command(char *line)
{
    size_t length = strcspn(line, " ");
    char *words = line[length] == ' ' ? line + length + 1 : line + length, *text;
    chat_number id;

    line[length] = '\0';
    if (strcmp(line, "/quit") == 0)
        return 0;
    if (strcmp(line, "/who") == 0) {
        who();
    } else if (strcmp(line, "/edit") == 0) {
        text = after_id(words, &id);
        if (text == NULL || *text == '\0')
            refuse("write /edit ID TEXT: the ID is the number in brackets");
        else
            submit_text(CHAT_EDITED, id, text);
    } else if (strcmp(line, "/delete") == 0) {
        text = after_id(words, &id);
        if (text == NULL || *text != '\0')
            refuse("write /delete ID: the ID is the number in brackets");
        else
            submit(CHAT_DELETED, id, text);
    } else {
        refuse("there is no command %.40s: there are /edit ID TEXT, /delete ID, /who and /quit; "
               "// begins a message with /", line);
    }
    return 1;
}

/* Returns 0 when nothing more is to be read. */
static int typed(char *line, size_t size)
{
    if (size > LONGEST_LINE) {
        refuse("the line has %zu bytes, %d are allowed: send it in parts", size, CHAT_MAX_TEXT);
    } else if (strlen(line) != size) {
        refuse("a message may not hold U+0000 NULL (byte %zu)", strlen(line) + 1);
    } else if (line[0] == '/' && line[1] != '/') {
        return command(line);
    } else if (line[strspn(line, " \t")] != '\0') {
        submit_text(CHAT_SENT, 0, line[0] == '/' ? line + 1 : line);
    }
    return 1;
}

/* ---- coming and going ---------------------------------------------------- */

static void leave(void)
{
    struct timeval goodbye = {.tv_sec = GOODBYE_S};
    leave_args args = {.seat_key = room.key};
    leave_res res = {0};

    if (speaking.client == NULL || !room.joined)
        return;
    clnt_control(speaking.client, CLSET_TIMEOUT, (char *)&goodbye);
    if (chat_leave_1(args, &res, speaking.client) == RPC_SUCCESS)
        xdr_free((xdrproc_t)xdr_leave_res, (char *)&res);
}

static void chat(int ending, int keeps)
{
    enum input input = INPUT_LINE;
    pthread_t listener;
    char *line;
    size_t size;

    if (!ready(&speaking))
        return;
    server.away_ms = AWAY_MS;
    if (pthread_create(&listener, NULL, listen_on, NULL) != 0) {
        refuse("no second thread: %s", strerror(errno));
    } else {
        while (!pause_ms(0) && (input = next_line(ending, &line, &size)) == INPUT_LINE)
            if (!typed(line, size)) {
                keeps = 0;
                break;
            }
        if (keeps)
            pause_ms(-1);
        while (ready(&speaking) && !catch_up(&speaking, said)) /* what was said is to be seen, too */
            ;
        end();
        if (!server.udp && listening.fd >= 0)
            shutdown(listening.fd, SHUT_RDWR); /* it need not wait for news any more */
        pthread_join(listener, NULL);
    }
    leave();
    hang_up(&speaking);
}

static void on_signal(int number)
{
    (void)number;
    end();
}

static void usage(void)
{
    fprintf(stderr, "usage: chat-client [-k] [-u] HOST PORT NICK [ROOM]\n"
                    "  -k  listen on after the end of the input, until SIGINT or SIGTERM\n"
                    "  -u  over UDP: a call that gets no answer is sent again\n"
                    "CHAT_TOKEN: the access token, where the server asks for one\n");
    exit(2);
}

static char *fitting(char *value, size_t bound, const char *what)
{
    if (strlen(value) > bound) {
        fprintf(stderr, "! the %s has %zu bytes, %zu are allowed\n", what, strlen(value), bound);
        exit(2);
    }
    return value;
}

int main(int count, char **words)
{
    struct sigaction ends = {.sa_handler = on_signal, .sa_flags = SA_RESTART | SA_RESETHAND};
    struct sigaction ignored = {.sa_handler = SIG_IGN};
    char *token = getenv("CHAT_TOKEN");
    int option, keeps = 0, ending;

    while ((option = getopt(count, words, "ku")) != -1) {
        if (option == 'k')
            keeps = 1;
        else if (option == 'u')
            server.udp = 1;
        else
            usage();
    }
    if (count - optind < 3 || count - optind > 4)
        usage();
    server.host = words[optind];
    server.port = words[optind + 1];
    me.nick = fitting(words[optind + 2], CHAT_MAX_NICK, "nick");
    me.room = fitting(count - optind > 3 ? words[optind + 3] : "lab", CHAT_MAX_ROOM, "room's name");
    server.token = fitting(token != NULL ? token : "", MAX_MACHINE_NAME, "access token");
    if (server.udp)
        listening.wait_s = SPEAK_S;

    ending = begin();
    if (ending < 0) {
        fprintf(stderr, "! no pipe: %s\n", strerror(errno));
        return 1;
    }
    sigaction(SIGINT, &ends, NULL); /* the second one ends us at once */
    sigaction(SIGTERM, &ends, NULL);
    sigaction(SIGPIPE, &ignored, NULL);
    setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
    chat(ending, keeps);
    return failed;
}
