// The official TypeScript client 2.x, both eras: takes the sessions it is given (`../session.mjs` says how).
//
// Run in the directory that holds node_modules.
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

import { LIMIT, capabilities, main } from "../session.mjs";

const sdk = (path) => import(pathToFileURL(resolve("node_modules/@modelcontextprotocol/client/dist", path)));
const { Client, LOG_LEVEL_META_KEY, StreamableHTTPClientTransport } = await sdk("index.mjs");
const { StdioClientTransport } = await sdk("stdio.mjs");

function transport({ command, url, token }) {
  if (command) return new StdioClientTransport({ command: command[0], args: command.slice(1) });
  const headers = token ? { authorization: `Bearer ${token}` } : {};
  return new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } });
}

await main(async (session, recorder) => {
  const isLegacy = session.era === "legacy";
  // "auto" asks `server/discover` first; that the server knows the era is part of the test.
  const versionNegotiation = { mode: isLegacy ? "legacy" : "auto" };
  const client = new Client({ name: "vidimus-test", version: "1.0.0" }, { capabilities, versionNegotiation });
  for (const [method, answer] of Object.entries(recorder.handlers)) client.setRequestHandler(method, answer);
  client.setNotificationHandler("notifications/message", (message) => recorder.log(message));
  const channel = transport(session);
  await client.connect(channel, { timeout: LIMIT });
  if (client.getProtocolEra() !== session.era) throw new Error(`the server does not speak the ${session.era} era`);
  // In the modern era a server writes log messages only for requests that ask for them.
  const meta = isLegacy ? {} : { _meta: { [LOG_LEVEL_META_KEY]: "debug" } };
  return {
    client,
    server: client.getDiscoverResult() ?? {
      protocolVersion: client.getNegotiatedProtocolVersion(),
      capabilities: client.getServerCapabilities(),
      serverInfo: client.getServerVersion(),
      instructions: client.getInstructions(),
    },
    call: (params, options) => client.callTool({ ...params, ...meta }, options),
    listen: async (filter, options) => {
      const subscription = await client.listen(filter, options);
      await subscription.close();
      return subscription.honoredFilter;
    },
    close: async () => {
      await channel.terminateSession?.();
      await client.close();
      return {};
    },
  };
});
