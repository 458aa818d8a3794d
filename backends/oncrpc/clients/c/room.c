/* Our seat in the room, and what happens there. See room.h. */
#include "room.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct me me;
struct room room = {.lock = PTHREAD_MUTEX_INITIALIZER};

void lock(void)
{
    pthread_mutex_lock(&room.lock);
}

void unlock(void)
{
    pthread_mutex_unlock(&room.lock);
}

int passes(chat_status status, const chat_error *error)
{
    switch (status) {
    case CHAT_NICK_TAKEN:
        return error->retry_after_ms > 0; /* its owner is away, and may lose it */
    case CHAT_FULL:
    case CHAT_TOO_FAST:
    case CHAT_NOT_STORED:
    case CHAT_CLOSING:
    case CHAT_SLOW_READER:
        return 1;
    default:
        return 0;
    }
}

/* ---- the seat ------------------------------------------------------------ */

enum outcome { IN, LATER, HANG_UP, NEVER };

static void take_seat(const join_ok *ok)
{
    if (strcmp(room.seat, ok->seat) != 0)
        room.n = 0; /* numbers are the seat's */
    if (room.n < ok->n)
        room.n = ok->n;
    snprintf(room.key, sizeof room.key, "%s", ok->seat_key);
    snprintf(room.seat, sizeof room.seat, "%s", ok->seat);
    snprintf(room.epoch, sizeof room.epoch, "%s", ok->epoch);
    if (!room.entered) {
        room.cursor = ok->start;
        room.logs++;
    }
    room.head = ok->head;
    room.joined = room.entered = 1;
}

/* Take the seat, or take it again. The room is locked: the other thread waits for how it ends. */
static enum outcome join(struct link *link)
{
    chat_cursor cursor = {.seq = room.cursor, .epoch = room.epoch};
    join_args args = {.room = me.room, .nick = me.nick, .access = server.token, .seat_key = room.key,
                      .cursor = room.entered ? &cursor : NULL};
    join_res res = {0};
    const chat_error *error = &res.join_res_u.error;
    enum outcome outcome = IN;
    enum clnt_stat status = chat_join_1(args, &res, link->client);

    if (status != RPC_SUCCESS) {
        down(link, clnt_sperrno(status));
        outcome = is_broken(status) ? HANG_UP : NEVER;
    } else if (res.status == CHAT_OK) {
        take_seat(&res.join_res_u.ok);
    } else {
        down(link, error->text);
        outcome = passes(res.status, error) ? LATER : NEVER;
        if (res.status == CHAT_STALE_CURSOR && room.entered) {
            tell("*", "the room has another log now: beginning anew");
            room.entered = 0;
            outcome = LATER;
        }
    }
    xdr_free((xdrproc_t)xdr_join_res, (char *)&res);
    return outcome;
}

int ready(struct link *link)
{
    while (wait_to_retry(link)) {
        enum outcome outcome;

        if (link->client == NULL && !dial(link))
            continue;
        lock();
        outcome = room.joined ? IN : join(link);
        unlock();
        switch (outcome) {
        case IN:
            return 1;
        case LATER:
            break;
        case HANG_UP:
            hang_up(link);
            break;
        case NEVER:
            give_up("%s", link->why);
            return 0;
        }
    }
    return 0;
}

void up(struct link *link)
{
    link->retry_ms = 0;
    lock();
    if (room.lost && room.joined) {
        room.lost = 0;
        tell("*", "connected again");
    }
    unlock();
}

/* Whichever thread notices first says so. */
void broken(struct link *link, enum clnt_stat status)
{
    hang_up(link);
    down(link, clnt_sperrno(status));
    if (pause_ms(0))
        return; /* we ended it ourselves; the other thread may be about to leave */
    lock();
    room.joined = 0;
    if (!room.lost)
        tell("*", "the connection broke (%s): trying again", link->why);
    room.lost = 1;
    unlock();
}

void seat_gone(const char *key)
{
    lock();
    if (strcmp(room.key, key) == 0) { /* else the other thread has another one already */
        room.key[0] = '\0';
        room.joined = 0;
    }
    unlock();
}

/* ---- what happens -------------------------------------------------------- */

/* Print what has not been printed yet. Both threads may come with the same events. */
static void take(const fetch_ok *ok)
{
    struct draft *draft = room.draft;

    for (u_int i = 0; i < ok->events.events_len; i++) {
        chat_event *event = &ok->events.events_val[i];

        if (event->seq <= room.cursor)
            continue;
        room.cursor = event->seq;
        if (draft != NULL && draft->n != 0 && draft->n == event->n && strcmp(draft->seat, event->seat) == 0)
            draft->seq = event->seq; /* our own: its answer may have got lost, but here it is */
        show_event(event);
    }
    if (fflush(stdout) != 0)
        give_up("cannot write to the standard output: %s", strerror(errno));
}

int fetch(struct link *link, unsigned wait_ms)
{
    char key[sizeof room.key];
    fetch_args args = {.seat_key = key, .limit = CHAT_MAX_EVENTS, .wait_ms = wait_ms};
    fetch_res res = {0};
    const chat_error *error = &res.fetch_res_u.error;
    enum clnt_stat status;
    unsigned logs;
    int count = -1;

    lock();
    memcpy(key, room.key, sizeof key);
    args.place.direction = CHAT_AFTER;
    args.place.chat_place_u.after = room.cursor;
    logs = room.logs;
    unlock();

    status = chat_fetch_1(args, &res, link->client);
    if (is_broken(status)) {
        broken(link, status);
    } else if (status != RPC_SUCCESS) {
        give_up("no news from the room: %s", clnt_sperrno(status));
    } else if (res.status == CHAT_OK) {
        up(link);
        lock();
        if (logs == room.logs)
            take(&res.fetch_res_u.ok);
        unlock();
        count = (int)res.fetch_res_u.ok.events.events_len;
    } else if (res.status == CHAT_SEAT_GONE) {
        up(link);
        seat_gone(key);
    } else if (passes(res.status, error)) {
        down(link, error->text);
    } else {
        give_up("no news from the room: %s", error->text);
    }
    xdr_free((xdrproc_t)xdr_fetch_res, (char *)&res);
    return count;
}

int catch_up(struct link *link, chat_number until)
{
    for (;;) {
        chat_number cursor;

        lock();
        cursor = room.cursor;
        unlock();
        if (cursor >= until)
            return 1;
        switch (fetch(link, 0)) {
        case -1:
            return 0;
        case 0:
            return 1; /* the other thread has just printed the rest */
        }
    }
}
