/* A client on what rpcgen makes of chat.x, and libtirpc. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "chat.h"

#define WAIT_MS 20000 /* the stubs give up after 25 s */

static CLIENT *chat;

/* Without rpcgen's -M a stub returns a static result, or NULL when the call itself fails. */
#define CHECK(result) check(result, result ? (int)(result)->status : 0)

static void check(const void *result, int status)
{
    if (result == NULL) {
        clnt_perror(chat, "the call failed");
        exit(1);
    }
    if (status != CHAT_OK) {
        fprintf(stderr, "refused: %d\n", status);
        exit(1);
    }
}

static void show(const char *step, const char *text)
{
    printf("%s ", step);
    while (*text)
        printf("%02x", (unsigned char)*text++);
    printf("\n");
}

static chat_status join(char *nick, char *token, join_res **joined)
{
    join_args args = {.room = "lab", .nick = nick, .access = token, .seat_key = ""};

    *joined = chat_join_1(&args, chat);
    if (*joined == NULL)
        check(NULL, 0);
    return (*joined)->status;
}

static fetch_ok *fetch(char *key, chat_place place, u_int limit, u_int wait_ms)
{
    fetch_args args = {key, place, limit, wait_ms};
    fetch_res *fetched = chat_fetch_1(&args, chat);

    CHECK(fetched);
    return &fetched->fetch_res_u.ok;
}

static int by_name(const void *one, const void *other)
{
    return strcmp(((const chat_member *)one)->nick, ((const chat_member *)other)->nick);
}

int main(int argc, char **argv)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    int connection = RPC_ANYSOCK;
    join_res *joined;

    if (argc != 5)
        return 2;
    char *nick = argv[3], *token = argv[4];
    address.sin_port = htons(atoi(argv[2]));
    inet_pton(AF_INET, argv[1], &address.sin_addr);
    chat = clnttcp_create(&address, CHAT_PROG, CHAT_V1, &connection, 0, 0); /* asks no rpcbind */
    if (chat == NULL) {
        clnt_pcreateerror(argv[1]);
        return 1;
    }

    printf("version %s\n", VERSION);
    printf("token %s\n", join(nick, "", &joined) == CHAT_ACCESS_DENIED ? "access_denied" : "another status");
    printf("refused %s\n", join("ann", token, &joined) == CHAT_NICK_TAKEN ? "nick_taken" : "another status");
    if (join(nick, token, &joined) != CHAT_OK)
        return 1;
    char *key = strdup(joined->join_res_u.ok.seat_key);

    members_args whole = {key, 0};
    members_res *members = chat_members_1(&whole, chat);
    CHECK(members);
    members_ok *page = &members->members_res_u.ok;
    qsort(page->members.members_val, page->members.members_len, sizeof(chat_member), by_name);
    printf("members");
    for (u_int i = 0; i < page->members.members_len; i++)
        printf(" %s", page->members.members_val[i].nick);
    printf("\n");

    chat_place place = {.direction = CHAT_NEWEST};
    fetch_ok *events = fetch(key, place, CHAT_MAX_EVENTS, 0);
    for (u_int i = events->events.events_len; i-- > 0;)
        if (events->events.events_val[i].kind == CHAT_SENT) {
            show("reads", events->events.events_val[i].text);
            place.direction = CHAT_BEFORE;
            place.chat_place_u.before = events->events.events_val[i].seq;
            break;
        }
    events = fetch(key, place, 2, 0);
    printf("history");
    for (u_int i = 0; i < events->events.events_len; i++) {
        printf(" ");
        for (char *text = events->events.events_val[i].text; *text; text++)
            printf("%02x", (unsigned char)*text);
    }
    printf("\n");

    send_args say = {key, 1, "ä 漢字\n&<>"};
    draft_res *sent = chat_send_1(&say, chat);
    CHECK(sent);
    chat_number id = sent->draft_res_u.ok.seq, cursor = id;
    printf("waiting\n");
    fflush(stdout);
    for (int heard = 0; !heard;) {
        place.direction = CHAT_AFTER;
        place.chat_place_u.after = cursor;
        events = fetch(key, place, CHAT_MAX_EVENTS, WAIT_MS);
        for (u_int i = 0; i < events->events.events_len; i++) {
            chat_event *event = &events->events.events_val[i];
            cursor = event->seq;
            if (event->kind == CHAT_SENT && strcmp(event->author, "ann") == 0) {
                show("waits", event->text);
                heard = 1;
            }
        }
    }
    edit_args edit = {key, 2, id, "漢字 ä\n<&>"};
    draft_res *edited = chat_edit_1(&edit, chat);
    CHECK(edited);
    delete_args delete = {key, 3, id};
    draft_res *deleted = chat_delete_1(&delete, chat);
    CHECK(deleted);
    leave_args leave = {key};
    leave_res *left = chat_leave_1(&leave, chat);
    CHECK(left);
    clnt_destroy(chat);
    free(key);
    return 0;
}
