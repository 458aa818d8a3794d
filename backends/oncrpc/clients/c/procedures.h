/*
 * The procedures of chat.x in chat-server, as rpcgen's skeleton calls them.
 *
 * The skeleton serves one call at a time, so a FETCH never waits: it would block every other client. There is one
 * thread: a result may live in the store, or in static memory until the next call. Nothing is copied for a reply,
 * and nothing is freed.
 */
#ifndef PROCEDURES_H
#define PROCEDURES_H

#include "chat.h"

/* The UDP socket's transport: its replies must be short. */
extern SVCXPRT *datagrams;

#endif
