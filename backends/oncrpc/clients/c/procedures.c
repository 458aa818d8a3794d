#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "procedures.h"
#include "store.h"

enum {
    PAGE = CHAT_MAX_EVENTS,
    GRACE_S = 60,             /* that a seat outlives its last call, if somebody wants its nick */
    DATAGRAM_BYTES = 8000,    /* of a reply over UDP: less than libtirpc's buffers have */
};

static const chat_number LARGEST = (1ULL << 53) - 1;

SVCXPRT *datagrams;

/* Return how many bytes a list may have in the reply. */
static size_t space(const struct svc_req *request)
{
    return request->rq_xprt == datagrams ? DATAGRAM_BYTES : SIZE_MAX;
}

/* ---- refusals ------------------------------------------------------------ */

/* Fill in a refusal. Every result is a status and a union, and every union has an error. */
static bool_t refuse(chat_status *status, chat_error *error, chat_status why, chat_number n, char *text)
{
    *status = why;
    *error = (chat_error){.text = text, .n = n};
    return TRUE;
}

#define REFUSE(res, kind, why, text) return refuse(&(res)->status, &(res)->kind##_u.error, why, 0, text)
#define REFUSE_DRAFT(why, text) return refuse(&res->status, &res->draft_res_u.error, why, n, text)
#define SEAT_GONE "no seat has this key: join again"

/* ---- seats --------------------------------------------------------------- */

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
        used += sizeof "oncrpc" + strlen(seats[i].name) + strlen(seats[i].nick) + 5 * 8; /* in SEEN, too */
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

bool_t chat_seen_1_svc(seen_args args, seen_res *res, struct svc_req *request)
{
    static seen_member members[MAX_SEATS];
    seen_ok *ok = &res->seen_res_u.ok;
    members_args asked = {.seat_key = args.seat_key, .skip = args.skip};
    members_res plain;

    if (seat_of(args.seat_key) == NULL)
        REFUSE(res, seen_res, CHAT_SEAT_GONE, SEAT_GONE);
    chat_members_1_svc(asked, &plain, request);
    res->status = CHAT_OK;
    ok->members.members_val = members;
    ok->members.members_len = plain.members_res_u.ok.members.members_len;
    ok->more = plain.members_res_u.ok.more;
    for (u_int i = 0; i < ok->members.members_len; i++)
        members[i] = (seen_member){.member = plain.members_res_u.ok.members.members_val[i],
                                   .seen = &seats[args.skip + i].seen};
    return TRUE;
}

/* ---- drafts -------------------------------------------------------------- */

/* Return the event of the seat's draft with this number, or NULL. */
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
            REFUSE_DRAFT(CHAT_DRAFT_CONFLICT, "this draft number was used before, with other content");
        res->status = CHAT_OK;
        res->draft_res_u.ok = (draft_ok){.n = n, .seq = known->seq};
        return TRUE;
    }
    if (kind != CHAT_SENT) {
        if (id == 0 || id > head || events[id - 1].kind != CHAT_SENT || deleted[id - 1])
            REFUSE_DRAFT(CHAT_NO_SUCH_MESSAGE, "there is no such message that could be changed");
        if (events[id - 1].seat != seat->name)
            REFUSE_DRAFT(CHAT_NOT_YOURS, "this message is not yours: you can't change it");
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

/* ---- reading ------------------------------------------------------------- */

/* Bytes of an event in XDR, or a few more. */
static size_t size_of(const chat_event *event)
{
    return 4 + 5 * 8 + 4 * 8 + strlen(event->author) + strlen(event->seat) + strlen(event->technique) +
           strlen(event->text);
}

bool_t chat_fetch_1_svc(fetch_args args, fetch_res *res, struct svc_req *request)
{
    struct seat *seat = seat_of(args.seat_key);
    size_t most = space(request), used = 0;
    u_int limit = args.limit < 1 ? 1 : args.limit > PAGE ? PAGE : args.limit, first, end, count = 0;
    chat_number seq = args.place.direction == CHAT_NEWEST  ? head + 1
                    : args.place.direction == CHAT_BEFORE ? args.place.chat_place_u.before
                                                          : args.place.chat_place_u.after;

    if (seat == NULL)
        REFUSE(res, fetch_res, CHAT_SEAT_GONE, SEAT_GONE);
    if (args.place.direction == CHAT_AFTER) {
        first = seq < head ? (u_int)seq : head;
        seat->seen = first > seat->seen ? first : seat->seen;
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

/* No result owns any memory. */
int chat_prog_1_freeresult(SVCXPRT *transport, xdrproc_t kind, caddr_t result)
{
    (void)transport, (void)kind, (void)result;
    return 1;
}
