// The official TypeScript client 2.x in the client scenarios of the MCP conformance suite.
//
// Run in the directory that holds node_modules; the last argument is the server's URL. The suite says in the
// environment which scenario it plays, at which revision, and what else the scenario needs to know. Each scenario is
// what a client does that uses everything the server offers; what is right or wrong about it the suite's server sees.
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

const sdk = (path) => import(pathToFileURL(resolve("node_modules/@modelcontextprotocol/client/dist", path)));
const { Client, StreamableHTTPClientTransport } = await sdk("index.mjs");

// Revisions are dates: from this one on there are no sessions.
const MODERN = "2026-07-28";
const scenario = process.env.MCP_CONFORMANCE_SCENARIO;
const isModern = (process.env.MCP_CONFORMANCE_PROTOCOL_VERSION ?? "") >= MODERN;
const context = JSON.parse(process.env.MCP_CONFORMANCE_CONTEXT ?? "{}");

const client = new Client(
  { name: "vidimus-conformance", version: "1.0.0" },
  {
    capabilities: { sampling: {}, roots: {}, elicitation: { form: { applyDefaults: true } } },
    versionNegotiation: { mode: isModern ? "auto" : "legacy" },
  },
);

const call = (name, args = {}) => client.callTool({ name, arguments: args });
const EXAMPLES = { string: "text", integer: 1, number: 1.5, boolean: true, object: {}, array: [], null: null };
// One value of the type that the schema names, for everything it requires.
const fitting = ({ properties = {}, required = [] }) =>
  Object.fromEntries(required.map((name) => [name, EXAMPLES[properties[name]?.type]]));

/** Calls all that is offered. What this SDK takes for no result is told, and the next is called, as a user would. */
async function everyTool() {
  const { tools } = await client.listTools();
  for (const { name, inputSchema } of tools) {
    await call(name, fitting(inputSchema)).catch((error) => console.error(`${name}: ${error}`));
  }
}

/** What the user is asked: accepts, with nothing filled in, so that the defaults count. */
let answer = async () => ({ action: "accept", content: {} });

const scenarios = {
  initialize: () => client.listTools(),
  tools_call: async () => {
    await client.listTools();
    await call("add_numbers", { a: 5, b: 3 });
  },
  "elicitation-sep1034-client-defaults": everyTool,
  "sse-retry": everyTool,
  "request-metadata": () => client.listTools(),
  "sep-2322-client-request-state": async () => {
    // Another call while the first waits for its answer: nothing of the one may get into the other.
    answer = async () => {
      await call("test_mrtr_unrelated");
      return { action: "accept", content: { confirmed: true } };
    };
    await everyTool();
  },
  "http-standard-headers": async () => {
    await everyTool();
    for (const { uri } of (await client.listResources()).resources) await client.readResource({ uri });
    for (const { name } of (await client.listPrompts()).prompts) await client.getPrompt({ name });
  },
  "http-custom-headers": async () => {
    await client.listTools();
    for (const { name, arguments: args } of context.toolCalls) await call(name, args);
  },
  "http-invalid-tool-headers": everyTool,
  "json-schema-ref-no-deref": () => client.listTools(),
  "json-schema-2020-12-preservation": async () => {
    const { tools } = await client.listTools();
    const rich = tools.find(({ name }) => name !== "json_schema_echo");
    await call("json_schema_echo", { schema: rich.inputSchema });
  },
};

client.setRequestHandler("elicitation/create", () => answer());
await client.connect(new StreamableHTTPClientTransport(new URL(process.argv.at(-1))));
await scenarios[scenario]();
await client.close();
