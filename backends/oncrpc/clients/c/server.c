/*
 * chat-server: the reverse proof: one small room behind the server skeleton that rpcgen makes of chat.x.
 *
 * The skeleton serves one call at a time, so a FETCH never waits: it would hold up everybody. And there is
 * one thread, so that results may live in the room itself or in static memory until the next call; nothing
 * has to be copied for a reply, and nothing freed. It listens on 127.0.0.1 and tells no rpcbind.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

#include "chat.h"

enum {
    MAX_EVENTS = 100000,
    MAX_BYTES = 64 << 20,     /* of their texts */
    MAX_SEATS = 100,
    PAGE = CHAT_MAX_EVENTS,
    GRACE_S = 60,             /* that a seat outlives its last call, if somebody wants its place */
    DATAGRAM_BYTES = 8000,    /* of a reply over UDP: some less than libtirpc's buffers have */
    DATAGRAM_REPLIES = 200,   /* kept, so that a call that comes twice happens once */
    TRIES = 16,               /* to find a port that is free for TCP and for UDP */
};

static const chat_number LARGEST = (1ULL << 53) - 1;

struct seat {
    char key[33], *name, *nick;
    chat_number n;            /* the highest draft number so far */
    time_t heard;
};

static char epoch[33];
static chat_event events[MAX_EVENTS]; /* that of seq s stands at s - 1 */
static char deleted[MAX_EVENTS];
static u_int head;
static size_t bytes;
static struct seat seats[MAX_SEATS];  /* in the order of coming */
static u_int taken;
static SVCXPRT *datagrams;

extern void chat_prog_1(struct svc_req *, SVCXPRT *); /* rpcgen writes it and does not declare it */

/* ---- the room ------------------------------------------------------------ */

static time_t now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec;
}

static char *copy(const char *text)
{
    char *copied = strdup(text);

    if (copied == NULL) {
        fprintf(stderr, "chat-server: out of memory\n");
        exit(1);
    }
    return copied;
}

/* Write random digits, and a NUL. */
static void make_secret(char *digits, size_t size)
{
    unsigned char random;

    for (size_t i = 0; i + 1 < size; i++) {
        if (getrandom(&random, 1, 0) != 1)
            abort();
        digits[i] = "0123456789abcdef"[random & 15];
    }
    digits[size - 1] = '\0';
}

static chat_event *append(chat_kind kind, const struct seat *seat)
{
    chat_event *event = &events[head];
    struct timespec time;

    clock_gettime(CLOCK_REALTIME, &time);
    *event = (chat_event){.kind = kind, .seq = head + 1, .prev = head, .author = "", .seat = "",
                          .technique = "", .text = "",
                          .at = (chat_number)time.tv_sec * 1000 + (chat_number)time.tv_nsec / 1000000};
    if (seat != NULL) { /* the room keeps these two for ever */
        event->author = seat->nick;
        event->seat = seat->name;
        event->technique = "oncrpc";
    }
    head++;
    return event;
}

static void vacate(struct seat *seat)
{
    if (head < MAX_EVENTS)
        append(CHAT_LEFT, seat);
    taken--;
    memmove(seat, seat + 1, (size_t)(&seats[taken] - seat) * sizeof *seat);
}

static struct seat *seat_of(const char *key)
{
    for (u_int i = 0; i < taken; i++)
        if (*key != '\0' && strcmp(seats[i].key, key) == 0) {
            seats[i].heard = now();
            return &seats[i];
        }
    return NULL;
}

/* Whether it is UTF-8 without any character that a terminal would act on. */
static int is_harmless(const char *text)
{
    mbstate_t state = {0};
    wchar_t c;
    size_t size;

    for (; (size = mbrtowc(&c, text, 4, &state)) != 0; text += size) {
        if (size == (size_t)-1 || size == (size_t)-2)
            return 0;
        if ((c < 0x20 && c != '\n' && c != '\t') || (c >= 0x7f && c < 0xa0) || c == 0xfffe || c == 0xffff)
            return 0;
        if ((c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069)) /* line breaks, directions */
            return 0;
    }
    return 1;
}

/* How many bytes a list may have in the reply. */
static size_t space(const struct svc_req *request)
{
    return request->rq_xprt == datagrams ? DATAGRAM_BYTES : SIZE_MAX;
}

/* ---- refusals ------------------------------------------------------------ */

/* Every result is a status and a union, which all begin alike. */
static bool_t refuse(chat_status *status, chat_error *error, chat_status why, chat_number n, char *text)
{
    *status = why;
    *error = (chat_error){.text = text, .n = n};
    return TRUE;
}

#define REFUSE(res, kind, why, text) return refuse(&(res)->status, &(res)->kind##_u.error, why, 0, text)
#define REFUSE_DRAFT(why, text) return refuse(&res->status, &res->draft_res_u.error, why, n, text)
#define SEAT_GONE "no seat has this key: come in again"

/* ---- procedures: coming and going ---------------------------------------- */

bool_t chat_null_1_svc(void *res, struct svc_req *request)
{
    (void)res, (void)request;
    return TRUE;
}

static const char *why_no_nick(const char *nick)
{
    if (*nick == '\0' || strchr("/@#", *nick) != NULL || strpbrk(nick, " \t\n") != NULL || !is_harmless(nick))
        return "a nick needs a character, and may hold no blanks and no control characters";
    return NULL;
}

static struct seat *take_seat(char *nick)
{
    struct seat *seat = &seats[taken++];
    char name[25];

    make_secret(name, sizeof name);
    *seat = (struct seat){.name = copy(name), .nick = copy(nick), .heard = now()};
    make_secret(seat->key, sizeof seat->key);
    append(CHAT_JOINED, seat);
    return seat;
}

bool_t chat_join_1_svc(join_args args, join_res *res, struct svc_req *request)
{
    struct seat *seat = seat_of(args.seat_key);
    join_ok *ok = &res->join_res_u.ok;

    (void)request;
    if (strcmp(args.room, "lab") != 0)
        REFUSE(res, join_res, CHAT_BAD_NAME, "this server has one room, and it is called lab");
    if (why_no_nick(args.nick) != NULL)
        REFUSE(res, join_res, CHAT_BAD_NAME, (char *)why_no_nick(args.nick));
    if (args.cursor != NULL && *args.cursor->epoch != '\0' && strcmp(args.cursor->epoch, epoch) != 0)
        REFUSE(res, join_res, CHAT_STALE_CURSOR, "the room has another log than the cursor's");
    if (args.cursor != NULL && args.cursor->seq > head)
        REFUSE(res, join_res, CHAT_STALE_CURSOR, "the cursor is beyond the newest event");
    if (seat == NULL || strcasecmp(seat->nick, args.nick) != 0) {
        for (u_int i = taken; i-- > 0;)
            if (now() - seats[i].heard > GRACE_S)
                vacate(&seats[i]);
        for (u_int i = 0; i < taken; i++)
            if (strcasecmp(seats[i].nick, args.nick) == 0) {
                refuse(&res->status, &res->join_res_u.error, CHAT_NICK_TAKEN, 0, "this nick is taken");
                res->join_res_u.error.retry_after_ms = (u_int)(GRACE_S - (now() - seats[i].heard) + 1) * 1000;
                return TRUE;
            }
        if (taken == MAX_SEATS || head == MAX_EVENTS)
            REFUSE(res, join_res, CHAT_FULL, "the room is full");
        seat = take_seat(args.nick);
    }
    res->status = CHAT_OK;
    *ok = (join_ok){.room = "lab", .nick = seat->nick, .seat = seat->name, .seat_key = seat->key,
                    .epoch = epoch, .first = 1, .head = head, .n = seat->n};
    ok->start = args.cursor != NULL ? args.cursor->seq : head > PAGE ? head - PAGE : 0;
    ok->limits = (chat_limits){.text_bytes = CHAT_MAX_TEXT, .nick_chars = 24, .nick_bytes = CHAT_MAX_NICK,
                               .frame_bytes = 65536, .burst = 0, .rate = 10, .replay = PAGE, .page = PAGE,
                               .grace = GRACE_S, .rooms = 1, .seats = MAX_SEATS};
    return TRUE;
}

bool_t chat_leave_1_svc(leave_args args, leave_res *res, struct svc_req *request)
{
    struct seat *seat = seat_of(args.seat_key);

    (void)request;
    if (seat == NULL)
        REFUSE(res, leave_res, CHAT_SEAT_GONE, SEAT_GONE);
    vacate(seat);
    res->status = CHAT_OK;
    return TRUE;
}

bool_t chat_members_1_svc(members_args args, members_res *res, struct svc_req *request)
{
    static chat_member members[MAX_SEATS];
    members_ok *ok = &res->members_res_u.ok;
    size_t used = 0;
    u_int count = 0;

    if (seat_of(args.seat_key) == NULL)
        REFUSE(res, members_res, CHAT_SEAT_GONE, SEAT_GONE);
    for (u_int i = args.skip; i < taken; i++) {
        used += sizeof "oncrpc" + strlen(seats[i].name) + strlen(seats[i].nick) + 3 * 8;
        if (used > space(request))
            break;
        members[count++] = (chat_member){.seat = seats[i].name, .nick = seats[i].nick, .technique = "oncrpc"};
    }
    res->status = CHAT_OK;
    ok->members.members_val = members;
    ok->members.members_len = count;
    ok->more = args.skip < taken && args.skip + count < taken;
    return TRUE;
}

/* ---- procedures: drafts -------------------------------------------------- */

/* Return what the seat's draft with this number became, or NULL. */
static const chat_event *event_of(const struct seat *seat, chat_number n)
{
    for (u_int i = n != 0 && n <= seat->n ? head : 0; i-- > 0;)
        if (events[i].n == n && events[i].seat == seat->name)
            return &events[i];
    return NULL;
}

/* Accept or refuse a draft. `id` is 0 for a new message. */
static bool_t decide(chat_kind kind, const char *key, chat_number n, chat_number id, const char *text,
                     draft_res *res)
{
    struct seat *seat = seat_of(key);
    const chat_event *known;
    chat_event *event;

    if (seat == NULL)
        REFUSE_DRAFT(CHAT_SEAT_GONE, SEAT_GONE);
    if (n > LARGEST || (n == 0 && seat->n == LARGEST))
        REFUSE_DRAFT(CHAT_BAD_REQUEST, "the draft number is too large: all are below 2^53");
    if (kind != CHAT_DELETED && (text[strspn(text, " \t\n")] == '\0' || !is_harmless(text)))
        REFUSE_DRAFT(CHAT_BAD_TEXT, "a message needs a character, and may hold no control characters");
    known = event_of(seat, n);
    if (known != NULL) {
        if (known->kind != kind || (id != 0 && known->id != id) || strcmp(known->text, text) != 0)
            REFUSE_DRAFT(CHAT_DRAFT_CONFLICT, "this draft number was used before, with another content");
        res->status = CHAT_OK;
        res->draft_res_u.ok = (draft_ok){.n = n, .seq = known->seq};
        return TRUE;
    }
    if (kind != CHAT_SENT) {
        if (id == 0 || id > head || events[id - 1].kind != CHAT_SENT || deleted[id - 1])
            REFUSE_DRAFT(CHAT_NO_SUCH_MESSAGE, "there is no such message that could be changed");
        if (events[id - 1].seat != seat->name)
            REFUSE_DRAFT(CHAT_NOT_YOURS, "this message is not yours to change");
    }
    if (head == MAX_EVENTS || bytes + strlen(text) > MAX_BYTES)
        REFUSE_DRAFT(CHAT_FULL, "the room is full: start the server anew");

    event = append(kind, seat);
    event->n = n != 0 ? n : seat->n + 1;
    event->id = id != 0 ? id : event->seq;
    event->text = copy(text);
    bytes += strlen(text);
    if (kind == CHAT_DELETED)
        deleted[id - 1] = 1;
    if (seat->n < event->n)
        seat->n = event->n;
    res->status = CHAT_OK;
    res->draft_res_u.ok = (draft_ok){.n = event->n, .seq = event->seq};
    return TRUE;
}

bool_t chat_send_1_svc(send_args args, draft_res *res, struct svc_req *request)
{
    (void)request;
    return decide(CHAT_SENT, args.seat_key, args.n, 0, args.text, res);
}

bool_t chat_edit_1_svc(edit_args args, draft_res *res, struct svc_req *request)
{
    (void)request;
    return decide(CHAT_EDITED, args.seat_key, args.n, args.id, args.text, res);
}

bool_t chat_delete_1_svc(delete_args args, draft_res *res, struct svc_req *request)
{
    (void)request;
    return decide(CHAT_DELETED, args.seat_key, args.n, args.id, "", res);
}

/* ---- procedures: reading ------------------------------------------------- */

/* Bytes of an event in XDR, or a few more. */
static size_t size_of(const chat_event *event)
{
    return 4 + 5 * 8 + 4 * 8 + strlen(event->author) + strlen(event->seat) + strlen(event->technique) +
           strlen(event->text);
}

bool_t chat_fetch_1_svc(fetch_args args, fetch_res *res, struct svc_req *request)
{
    size_t most = space(request), used = 0;
    u_int limit = args.limit < 1 ? 1 : args.limit > PAGE ? PAGE : args.limit, first, end, count = 0;
    chat_number seq = args.place.direction == CHAT_NEWEST ? head + 1 : args.place.chat_place_u.seq;

    if (seat_of(args.seat_key) == NULL)
        REFUSE(res, fetch_res, CHAT_SEAT_GONE, SEAT_GONE);
    if (args.place.direction == CHAT_AFTER) {
        first = seq < head ? (u_int)seq : head;
        while (count < limit && first + count < head && (used += size_of(&events[first + count])) <= most)
            count++;
    } else {
        end = seq > head ? head : seq > 0 ? (u_int)seq - 1 : 0;
        while (count < limit && count < end && (used += size_of(&events[end - count - 1])) <= most)
            count++;
        first = end - count;
    }
    res->status = CHAT_OK;
    res->fetch_res_u.ok.head = head;
    res->fetch_res_u.ok.events.events_val = &events[first];
    res->fetch_res_u.ok.events.events_len = count;
    return TRUE;
}

/* Nothing is to be freed: no result owns anything. */
int chat_prog_1_freeresult(SVCXPRT *transport, xdrproc_t kind, caddr_t result)
{
    (void)transport, (void)kind, (void)result;
    return 1;
}

/* ---- listening ----------------------------------------------------------- */

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

/* Find a port for both transports, 0: any. Returns it, or -1 and errno. */
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
    /* Protocol 0: rpcbind is not told. */
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
