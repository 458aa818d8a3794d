#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <wchar.h>

#include "store.h"

char epoch[33];
chat_event events[MAX_EVENTS];
char deleted[MAX_EVENTS];
u_int head;
size_t bytes;
struct seat seats[MAX_SEATS];
u_int taken;

time_t now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec;
}

char *copy(const char *text)
{
    char *copied = strdup(text);

    if (copied == NULL) {
        fprintf(stderr, "chat-server: out of memory\n");
        exit(1);
    }
    return copied;
}

void make_secret(char *digits, size_t size)
{
    unsigned char random;

    for (size_t i = 0; i + 1 < size; i++) {
        if (getrandom(&random, 1, 0) != 1)
            abort();
        digits[i] = "0123456789abcdef"[random & 15];
    }
    digits[size - 1] = '\0';
}

chat_event *append(chat_kind kind, const struct seat *seat)
{
    chat_event *event = &events[head];
    struct timespec time;

    clock_gettime(CLOCK_REALTIME, &time);
    *event = (chat_event){.kind = kind, .seq = head + 1, .prev = head, .author = "", .seat = "",
                          .technique = "", .text = "",
                          .at = (chat_number)time.tv_sec * 1000 + (chat_number)time.tv_nsec / 1000000};
    if (seat != NULL) { /* they are never freed: an event outlives its seat */
        event->author = seat->nick;
        event->seat = seat->name;
        event->technique = "oncrpc";
    }
    head++;
    return event;
}

void vacate(struct seat *seat)
{
    if (head < MAX_EVENTS)
        append(CHAT_LEFT, seat);
    taken--;
    memmove(seat, seat + 1, (size_t)(&seats[taken] - seat) * sizeof *seat);
}

struct seat *seat_of(const char *key)
{
    for (u_int i = 0; i < taken; i++)
        if (*key != '\0' && strcmp(seats[i].key, key) == 0) {
            seats[i].heard = now();
            return &seats[i];
        }
    return NULL;
}

int is_harmless(const char *text)
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

struct seat *take_seat(char *nick)
{
    struct seat *seat = &seats[taken++];
    char name[25];

    make_secret(name, sizeof name);
    *seat = (struct seat){.name = copy(name), .nick = copy(nick), .heard = now()};
    make_secret(seat->key, sizeof seat->key);
    append(CHAT_JOINED, seat);
    return seat;
}
