/*
 * The room of chat-server, in memory: its events and its seats.
 */
#ifndef STORE_H
#define STORE_H

#include <stddef.h>
#include <time.h>

#include "chat.h"

enum {
    MAX_EVENTS = 100000,
    MAX_BYTES = 64 << 20,     /* of the texts of all events */
    MAX_SEATS = 100,
};

struct seat {
    char key[33], *name, *nick;
    chat_number n;            /* the highest draft number so far */
    chat_number seen;         /* its owner has what came up to this seq: the place of the last FETCH */
    time_t heard;             /* when its owner called last */
};

extern char epoch[33];
extern chat_event events[MAX_EVENTS]; /* the event with seq s is at s - 1 */
extern char deleted[MAX_EVENTS];      /* the message with id s, at s - 1 */
extern u_int head;
extern size_t bytes;
extern struct seat seats[MAX_SEATS];  /* in the order of joining */
extern u_int taken;

/* Return seconds of a clock that is never set. */
time_t now(void);

/* Return a copy of a text; ends the program if there is no memory. */
char *copy(const char *text);

/* Write random hexadecimal digits, and a NUL at the end. */
void make_secret(char *digits, size_t size);

/* Add an event of a seat; NULL: of the room itself. */
chat_event *append(chat_kind kind, const struct seat *seat);

/* Take a free seat. */
struct seat *take_seat(char *nick);

/* Return the seat that a key opens, or NULL. */
struct seat *seat_of(const char *key);

/* End a seat. */
void vacate(struct seat *seat);

/* Whether it is UTF-8 without any character that a terminal would act on. */
int is_harmless(const char *text);

#endif
