/* A client on BSD sockets, libb2 and jansson: one JSON object a datagram, with a counter and a MAC, as docs/datagrams.md has them. */
#include <blake2.h>
#include <jansson.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { LARGEST = 65536, MAC = 16, KEY = 32, REMEMBERED = 4096 };

typedef struct {
    uint8_t bytes[KEY];
    unsigned long count;
} mac_key_t;

/* One connection: a nonce, the keys that come from it, and what has come. */
typedef struct {
    int socket;
    char nonce[33];
    const char *token;
    uint8_t root[KEY];
    mac_key_t up, down;
    int sealed, seated;
    char received[REMEMBERED];
    json_t *inbox;
    double pinged;
} room_t;

static const char *host, *port, *nick, *token;

static double now(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec + at.tv_nsec / 1e9;
}

static const char *text_of(const json_t *message, const char *field) {
    const char *text = json_string_value(json_object_get(message, field));
    return text ? text : "";
}

static json_int_t number_of(const json_t *message, const char *field) {
    return json_integer_value(json_object_get(message, field));
}

static int is(const json_t *message, const char *kind) { return !strcmp(text_of(message, "kind"), kind); }

static void print_hex(const char *text) {
    putchar(' ');
    for (; *text; text++) printf("%02x", (unsigned char)*text);
}

/* --- the MACs ------------------------------------------------------------------------------ */

static void derive(room_t *room, mac_key_t *key, const char *purpose, const char *salt) {
    char text[512];
    int length = snprintf(text, sizeof text, "%s\n%s\n%s", purpose, room->nonce, salt);
    blake2s(key->bytes, text, room->root, KEY, length, KEY);
    key->count = 0;
}

static void mac_of(char hex[2 * MAC + 1], const char *text, size_t length, const mac_key_t *key) {
    uint8_t mac[MAC];
    blake2s(mac, text, key->bytes, MAC, length, KEY);
    for (int i = 0; i < MAC; i++) sprintf(hex + 2 * i, "%02x", mac[i]);
}

static void transmit(room_t *room, json_t *message) {
    static char datagram[LARGEST];
    size_t length = json_dumpb(message, datagram, sizeof datagram - 64, JSON_COMPACT);
    if (room->sealed) {
        char mac[2 * MAC + 1];
        length += sprintf(datagram + length, "\n%lu", ++room->up.count);
        mac_of(mac, datagram, length, &room->up);
        length += sprintf(datagram + length, " %s", mac);
    }
    if (send(room->socket, datagram, length, 0) < 0) perror("send");
}

/* Returns a datagram's message, or NULL if somebody else sent it, or if it came before. */
static json_t *open_datagram(room_t *room, char *datagram) {
    char *end = strchr(datagram, '\n'), *space = strrchr(datagram, ' '), mac[2 * MAC + 1];
    json_t *message = json_loadb(datagram, end ? (size_t)(end - datagram) : strlen(datagram), 0, NULL);
    if (!message || !room->sealed || is(message, "cookie")) return message;
    if (is(message, "welcome")) derive(room, &room->down, "down", text_of(message, "salt"));
    if (!end && is(message, "end")) return message; /* refused, without a MAC */
    if (end && space > end) {
        unsigned long count = strtoul(end + 1, NULL, 10);
        mac_of(mac, datagram, space - datagram, &room->down);
        if (!strcmp(mac, space + 1) && count < REMEMBERED && !room->received[count]) {
            room->received[count] = 1;
            return message;
        }
    }
    json_decref(message);
    return NULL;
}

/* --- asking -------------------------------------------------------------------------------- */

typedef int wanted_t(const json_t *message, json_int_t number);

static void receive(room_t *room) {
    static char datagram[LARGEST];
    struct pollfd ready = {room->socket, POLLIN, 0};
    if (poll(&ready, 1, 100) <= 0) return;
    ssize_t length = recv(room->socket, datagram, sizeof datagram - 1, 0);
    if (length <= 0) return;
    datagram[length] = 0;
    json_t *message = open_datagram(room, datagram);
    if (message && is(message, "events"))
        json_array_extend(room->inbox, json_object_get(message, "events"));
    else if (message)
        json_array_append(room->inbox, message);
    json_decref(message);
}

/* Sends a message every half second until an answer has come, because datagrams may be lost; returns the answer.
   Without a message it only waits. A seat belongs to whoever sends a ping every second. */
static json_t *ask(room_t *room, json_t *message, wanted_t *wanted, json_int_t number) {
    for (double again = 0;; receive(room)) {
        while (json_array_size(room->inbox)) {
            json_t *one = json_incref(json_array_get(room->inbox, 0));
            json_array_remove(room->inbox, 0);
            if (wanted(one, number)) {
                json_decref(message);
                return one;
            }
            json_decref(one);
        }
        if (message && now() >= again) {
            transmit(room, message);
            again = now() + 0.5;
        }
        if (room->seated && now() >= room->pinged + 1) {
            json_t *ping = json_pack("{ss}", "kind", "ping");
            transmit(room, ping);
            json_decref(ping);
            room->pinged = now();
        }
    }
}

static int any_cookie(const json_t *it, json_int_t number) { return (void)number, is(it, "cookie"); }
static int any_decision(const json_t *it, json_int_t number) { return (void)number, is(it, "welcome") || is(it, "end"); }
static int the_answer(const json_t *it, json_int_t ref) { return !is(it, "pong") && number_of(it, "ref") == ref; }
static int own_event(const json_t *it, json_int_t n) { return number_of(it, "n") == n && !strcmp(text_of(it, "author"), nick); }
static int of_ann(const json_t *it, json_int_t number) { return (void)number, is(it, "sent") && !strcmp(text_of(it, "author"), "ann"); }
static int the_end(const json_t *it, json_int_t number) {
    return (void)number, is(it, "end") || (is(it, "left") && !strcmp(text_of(it, "author"), nick));
}

static json_t *enter(room_t *room, const char *name, const char *with_token) {
    struct addrinfo hints = {.ai_socktype = SOCK_DGRAM}, *found;
    uint8_t random[16];
    memset(room, 0, sizeof *room);
    if (getaddrinfo(host, port, &hints, &found)) exit(1);
    room->socket = socket(found->ai_family, SOCK_DGRAM, 0);
    if (connect(room->socket, found->ai_addr, found->ai_addrlen)) exit(1);
    freeaddrinfo(found);
    if (getrandom(random, sizeof random, 0) != sizeof random) exit(1);
    for (size_t i = 0; i < sizeof random; i++) sprintf(room->nonce + 2 * i, "%02x", random[i]);
    room->inbox = json_array();

    char pad[201] = {0};
    memset(pad, 'x', 200); /* a hello is not shorter than its answer */
    json_t *cookie = ask(
        room, json_pack("{ss ss ss ss}", "kind", "hello", "nick", name, "nonce", room->nonce, "pad", pad), any_cookie, 0);
    if (with_token) {
        blake2s(room->root, with_token, NULL, KEY, strlen(with_token), 0);
        derive(room, &room->up, "hello up", text_of(cookie, "cookie"));
        derive(room, &room->down, "hello down", text_of(cookie, "cookie"));
        room->sealed = 1;
    }
    json_t *answer = ask(
        room,
        json_pack("{ss ss ss ss}", "kind", "hello", "nick", name, "nonce", room->nonce, "cookie", text_of(cookie, "cookie")),
        any_decision, 0);
    if (is(answer, "welcome")) {
        derive(room, &room->up, "up", text_of(answer, "salt"));
        room->seated = 1;
    }
    json_decref(cookie);
    return answer;
}

static int by_name(const void *one, const void *other) { return strcmp(*(char *const *)one, *(char *const *)other); }

int main(int argc, char **argv) {
    static room_t room;
    const char *names[64], *last = "";
    size_t index, count = 0;
    json_t *one;
    if (argc != 5) return 2;
    host = argv[1], port = argv[2], nick = argv[3], token = argv[4];
    setvbuf(stdout, NULL, _IOLBF, 0);

    puts("version " VERSION);
    printf("token %s\n", text_of(enter(&room, nick, NULL), "code"));
    printf("refused %s\n", text_of(enter(&room, "ann", token), "code"));

    json_t *welcome = enter(&room, nick, token);
    json_t *answer = ask(&room, json_pack("{ss si}", "kind", "members", "ref", 1), the_answer, 1);
    json_array_foreach(json_object_get(answer, "members"), index, one)
        if (count < 64) names[count++] = text_of(one, "nick");
    qsort(names, count, sizeof *names, by_name);
    printf("members");
    for (index = 0; index < count; index++) printf(" %s", names[index]);

    json_t *replay = ask(
        &room, json_pack("{ss sI si}", "kind", "history", "after", number_of(welcome, "start"), "ref", 2), the_answer, 2);
    json_int_t seq = 0;
    json_array_foreach(json_object_get(replay, "events"), index, one)
        if (is(one, "sent")) last = text_of(one, "text"), seq = number_of(one, "seq");
    printf("\nreads");
    print_hex(last);
    json_t *page =
        ask(&room, json_pack("{ss sI si si}", "kind", "history", "before", seq, "limit", 2, "ref", 3), the_answer, 3);
    printf("\nhistory");
    json_array_foreach(json_object_get(page, "events"), index, one) print_hex(text_of(one, "text"));

    json_t *said = ask(&room, json_pack("{ss ss si}", "kind", "say", "text", "ä 漢字\n&<>", "n", 1), own_event, 1);
    json_int_t id = number_of(said, "id");
    printf("\nwaiting\nwaits");
    print_hex(text_of(ask(&room, NULL, of_ann, 0), "text"));
    putchar('\n');
    ask(&room, json_pack("{ss sI ss si}", "kind", "edit", "id", id, "text", "漢字 ä\n<&>", "n", 2), own_event, 2);
    ask(&room, json_pack("{ss sI si}", "kind", "delete", "id", id, "n", 3), own_event, 3);
    ask(&room, json_pack("{ss}", "kind", "leave"), the_end, 0);
    return 0;
}
