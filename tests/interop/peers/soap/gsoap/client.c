/* A client on gSOAP, whose functions wsdl2h and soapcpp2 make of wsdl/chat-soap11.wsdl. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ChatSoap11.nsmap"
#include "plugin/wsseapi.h"
#include "soapH.h"

static struct soap *soap;
static char url[256];
static const char *nick, *token;

/* Puts the header of the next call: a proof is good for one. */
static void prove(int proven)
{
    soap_wsse_delete_Security(soap);
    if (proven)
        soap_wsse_add_UsernameTokenDigest(soap, NULL, nick, token);
}

static void check(int status)
{
    if (status == SOAP_OK)
        return;
    soap_print_fault(soap, stderr);
    exit(1);
}

static void hex(const char *text)
{
    putchar(' ');
    for (; *text; text++)
        printf("%02x", (unsigned char)*text);
}

/* Prints the fault that refuses a join, in the way of the room's codes. */
static void refused(const char *step, const char *as, int proven)
{
    struct ns1__Join ask = {.room = "lab", .nick = (char *)as};
    struct ns1__JoinResponse answer;
    prove(proven);
    if (soap_call___ns1__Join(soap, url, NULL, &ask, &answer) == SOAP_OK || !soap->fault || !soap->fault->detail)
        return;
    if (soap->fault->detail->ns1__AccessDenied)
        printf("%s access_denied\n", step);
    if (soap->fault->detail->ns1__NickTaken)
        printf("%s nick_taken\n", step);
}

/* Fetches a page; leaves the messages in it only. */
static struct ns1__FetchResponse fetch(char *key, LONG64 *after, LONG64 *before, int limit, int wait)
{
    struct ns1__Fetch ask = {.seatKey = key, .after = after, .before = before, .limit = limit, .wait = wait};
    struct ns1__FetchResponse page;
    int said = 0;
    prove(1);
    check(soap_call___ns1__Fetch(soap, url, NULL, &ask, &page));
    for (int i = 0; i < page.__sizeevent; i++)
        if (page.event[i].kind == ns1__Kind__sent)
            page.event[said++] = page.event[i];
    page.__sizeevent = said;
    return page;
}

static int by_name(const void *one, const void *other)
{
    return strcmp(((const struct ns1__Member *)one)->nick, ((const struct ns1__Member *)other)->nick);
}

int main(int argc, char **argv)
{
    if (argc != 5)
        return 2;
    snprintf(url, sizeof url, "http://%s:%s/soap", argv[1], argv[2]);
    nick = argv[3], token = argv[4];
    soap = soap_new1(SOAP_C_UTFSTRING); /* or texts are Latin-1 */
    soap->recv_timeout = 30;            /* a request may wait for 20 s */
    soap_register_plugin(soap, soap_wsse);
    printf("version %d.%d.%d\n", GSOAP_VERSION / 100000, GSOAP_VERSION / 1000 % 100, GSOAP_VERSION % 1000);
    refused("token", nick, 0);
    refused("refused", "ann", 1);

    struct ns1__Join join = {.room = "lab", .nick = (char *)nick};
    struct ns1__JoinResponse seat;
    prove(1);
    check(soap_call___ns1__Join(soap, url, NULL, &join, &seat));
    struct ns1__Members who = {.seatKey = seat.seatKey};
    struct ns1__MembersResponse members;
    prove(1);
    check(soap_call___ns1__Members(soap, url, NULL, &who, &members));
    qsort(members.member, members.__sizemember, sizeof *members.member, by_name);
    printf("members");
    for (int i = 0; i < members.__sizemember; i++)
        printf(" %s", members.member[i].nick);
    struct ns1__FetchResponse page = fetch(seat.seatKey, &seat.start, NULL, 200, 0);
    struct ns1__Event last = page.event[page.__sizeevent - 1];
    printf("\nreads");
    hex(last.text);
    page = fetch(seat.seatKey, NULL, &last.seq, 2, 0);
    printf("\nhistory");
    for (int i = 0; i < page.__sizeevent; i++)
        hex(page.event[i].text);

    struct ns1__Send say = {.seatKey = seat.seatKey, .n = 1, .text = "ä 漢字\n&<>"};
    struct ns1__SendResponse sent;
    prove(1);
    check(soap_call___ns1__Send(soap, url, NULL, &say, &sent));
    printf("\nwaiting\n");
    fflush(stdout);
    page = fetch(seat.seatKey, &sent.seq, NULL, 200, 20);
    printf("waits");
    hex(page.event[0].text);
    puts("");
    struct ns1__Edit edit = {.seatKey = seat.seatKey, .n = 2, .id = sent.seq, .text = "漢字 ä\n<&>"};
    struct ns1__EditResponse edited;
    prove(1);
    check(soap_call___ns1__Edit(soap, url, NULL, &edit, &edited));
    struct ns1__Delete drop = {.seatKey = seat.seatKey, .n = 3, .id = sent.seq};
    struct ns1__DeleteResponse dropped;
    prove(1);
    check(soap_call___ns1__Delete(soap, url, NULL, &drop, &dropped));
    struct ns1__Leave leave = {.seatKey = seat.seatKey};
    struct ns1__LeaveResponse left;
    prove(1);
    check(soap_call___ns1__Leave(soap, url, NULL, &leave, &left));
    soap_destroy(soap);
    soap_end(soap);
    soap_free(soap);
    return 0;
}
