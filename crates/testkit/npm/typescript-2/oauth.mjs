// The official TypeScript client 2.x finds the identity provider by itself (`../oauth.mjs` says how).
//
// Run in the directory that holds node_modules.
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

import { main } from "../oauth.mjs";

const { Client, StreamableHTTPClientTransport, UnauthorizedError } = await import(
  pathToFileURL(resolve("node_modules/@modelcontextprotocol/client/dist/index.mjs"))
);

// The server behind the gateway is one of sessions.
const versionNegotiation = { mode: "legacy" };

await main({
  newClient: () => new Client({ name: "vidimus-test", version: "1.0.0" }, { versionNegotiation }),
  newTransport: (url, options) => new StreamableHTTPClientTransport(url, options),
  UnauthorizedError,
  finish: (transport, callback) => transport.finishAuth(callback),
});
