#!/usr/bin/env node
/**
 * A terminal chat over REST with Axios: `api.js` makes the requests; session and terminal are those of all
 * JavaScript clients.
 *
 *   node chat-client.js [--json] HOST:PORT NICK [ROOM]
 */
import { PollingSession } from "../../../javascript/polling-session.js";
import { runTerminal } from "../../../javascript/terminal.js";

import { Api } from "./api.js";

await runTerminal(({ nick, ...options }) => new PollingSession(new Api(options), nick));
