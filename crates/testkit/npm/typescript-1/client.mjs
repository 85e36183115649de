// The official TypeScript client 1.x, legacy era: takes the sessions it is given (`../session.mjs` says how).
//
// Run in the directory that holds node_modules.
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

import { LIMIT, capabilities, main } from "../session.mjs";

const sdk = (path) => import(pathToFileURL(resolve("node_modules/@modelcontextprotocol/sdk/dist/esm", path)));
const { Client } = await sdk("client/index.js");
const { SSEClientTransport } = await sdk("client/sse.js");
const { StdioClientTransport } = await sdk("client/stdio.js");
const { StreamableHTTPClientTransport } = await sdk("client/streamableHttp.js");
const schemas = await sdk("types.js");

const requests = {
  "sampling/createMessage": schemas.CreateMessageRequestSchema,
  "elicitation/create": schemas.ElicitRequestSchema,
  "roots/list": schemas.ListRootsRequestSchema,
};

function transport({ command, url, token, transport: kind }) {
  if (command) return new StdioClientTransport({ command: command[0], args: command.slice(1) });
  const headers = token ? { authorization: `Bearer ${token}` } : {};
  if (kind === "sse") return new SSEClientTransport(new URL(url), { requestInit: { headers } });
  return new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } });
}

await main(async (session, recorder) => {
  const client = new Client({ name: "vidimus-test", version: "1.0.0" }, { capabilities });
  for (const [method, answer] of Object.entries(recorder.handlers)) client.setRequestHandler(requests[method], answer);
  client.setNotificationHandler(schemas.LoggingMessageNotificationSchema, (message) => recorder.log(message));
  const channel = transport(session);
  // Not every transport tells what was agreed on.
  const keep = channel.setProtocolVersion?.bind(channel);
  let agreed;
  channel.setProtocolVersion = (version) => {
    agreed = version;
    keep?.(version);
  };
  await client.connect(channel, { timeout: LIMIT });
  return {
    client,
    server: {
      protocolVersion: agreed,
      capabilities: client.getServerCapabilities(),
      serverInfo: client.getServerVersion(),
      instructions: client.getInstructions(),
    },
    call: (params, options) => client.callTool(params, undefined, options),
    close: async () => {
      await channel.terminateSession?.();
      await client.close();
      return {};
    },
  };
});
