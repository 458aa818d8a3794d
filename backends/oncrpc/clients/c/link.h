/* A connection to the server that is made anew when it breaks, and the end of everything. */
#ifndef LINK_H
#define LINK_H

#include <rpc/rpc.h>

#include "terminal.h"

/* ---- the end ------------------------------------------------------------- */

/* Something was refused for good: this is the exit code. */
extern _Atomic int failed;

/* To be called first; returns a descriptor that can be read once everything ends. */
int begin(void);

/* Everything is to end. May be called from a signal handler, and twice. */
void end(void);

/* Wait so long, or until everything ends; returns 1 if it does. */
int pause_ms(int ms);

long long now_ms(void);

/* Say what was refused for good. */
void refuse(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Say why nothing more can be done, unless everything ends anyhow, and end it. */
void give_up(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- connections --------------------------------------------------------- */

struct server {
    const char *host, *port;
    char *token;         /* every call shows it; empty: none */
    int udp;
    int away_ms;         /* how long it may be away before it is given up */
};
extern struct server server;

/* One thread uses a link, as a CLIENT handle is locked for the whole of a call. */
struct link {
    CLIENT *client;          /* NULL: not connected */
    _Atomic int fd;          /* of the client, or -1 */
    int wait_s;              /* for an answer */
    int retry_ms;            /* until the next try; 0: it works, as far as we know */
    long long since;         /* when it ceased to work */
    char why[512];
};

/* Be connected; returns 0 if that did not work, and `why` says why. rpcbind is not asked. */
int dial(struct link *link);
void hang_up(struct link *link);

/* It does not work: the next try has to wait, each time longer. */
void down(struct link *link, const char *why);

/* Wait until the next try is due. Returns 0 if there is to be none. */
int wait_to_retry(struct link *link);

/* Whether a call that ended so leaves a connection behind that can't be used any more. */
int is_broken(enum clnt_stat status);

#endif
