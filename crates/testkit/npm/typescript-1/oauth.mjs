// The official TypeScript client 1.x finds the identity provider by itself (`../oauth.mjs` says how).
//
// Run in the directory that holds node_modules.
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

import { main } from "../oauth.mjs";

const sdk = (path) => import(pathToFileURL(resolve("node_modules/@modelcontextprotocol/sdk/dist/esm", path)));
const { Client } = await sdk("client/index.js");
const { UnauthorizedError } = await sdk("client/auth.js");
const { StreamableHTTPClientTransport } = await sdk("client/streamableHttp.js");

await main({
  newClient: () => new Client({ name: "vidimus-test", version: "1.0.0" }),
  newTransport: (url, options) => new StreamableHTTPClientTransport(url, options),
  UnauthorizedError,
  finish: (transport, callback) => transport.finishAuth(callback.get("code")),
});
