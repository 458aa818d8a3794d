#!/usr/bin/env node
/**
 * A terminal chat over gRPC: `session.js` makes the stream, all JavaScript clients share the terminal.
 *
 *   node chat-client.js [--json] HOST:PORT NICK [ROOM]
 */
import { runTerminal } from "../../../javascript/terminal.js";

import { StreamSession } from "./session.js";

process.noDeprecation = true; // grpc-js puts an IP address into TLS's server name, and Node would say so

await runTerminal((options) => new StreamSession(options));
