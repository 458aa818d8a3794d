/* Our seat in the room, and what happens there. Both threads may call all of this, each with its own link. */
#ifndef ROOM_H
#define ROOM_H

#include <pthread.h>

#include "chat.h"
#include "link.h"

struct me {
    char *nick, *room;
};
extern struct me me;

/* What somebody wants to happen. It is sent with its number until the room has answered: it happens once. */
struct draft {
    chat_kind kind;               /* CHAT_SENT, CHAT_EDITED or CHAT_DELETED: what it is to become */
    chat_number id;
    char *text;
    char seat[CHAT_MAX_WORD + 1]; /* whose number ... */
    chat_number n;                /* ... this is; 0: it has none yet */
    chat_number seq;              /* what it became; 0: nothing yet */
};

/* Hold the lock to look at these. It is held while one thread joins: the other needs the seat as well. */
struct room {
    pthread_mutex_t lock;
    int joined;                   /* 0: join before the next call, to get the seat back */
    int entered;                  /* we have been inside, and there is a cursor */
    char key[CHAT_MAX_KEY + 1], seat[CHAT_MAX_WORD + 1], epoch[CHAT_MAX_WORD + 1];
    unsigned logs;                /* how many logs the room has had: a cursor is worth nothing in another */
    chat_number cursor;           /* the newest event that was printed */
    chat_number head;             /* the newest that there was when we joined */
    chat_number n;                /* the highest draft number that the seat has used */
    struct draft *draft;          /* the one that is under way */
    int lost;                     /* and the user knows */
};
extern struct room room;

void lock(void);
void unlock(void);

/* Be connected and in the room. Returns 0 if that is of no use any more. */
int ready(struct link *link);

/* Its call was answered. */
void up(struct link *link);

/* Its call was not: `ready` connects again, and joins again. */
void broken(struct link *link, enum clnt_stat status);

/* The room does not know this seat key any more: `ready` takes another seat. */
void seat_gone(const char *key);

/* Whether a refusal is worth another try of the same. */
int passes(chat_status status, const chat_error *error);

/* Wait for what happens next, and print it. Returns how many events came; -1: be ready, and call it again. */
int fetch(struct link *link, unsigned wait_ms);

/* Print everything up to an event, without waiting. Returns 0: be ready, and call it again. */
int catch_up(struct link *link, chat_number until);

#endif
