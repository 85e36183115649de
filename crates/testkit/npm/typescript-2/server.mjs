// A server of the official TypeScript SDK 2.x, of both eras; run it with `loopback.mjs`, which says where it listens.
//
// Run in the directory that holds node_modules. It offers what `python/mcp-2/server.py` offers, under the same names:
// one of everything that a client can use. Nothing it answers depends on a clock or on chance.
import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

const sdk = (path) => import(pathToFileURL(resolve("node_modules/@modelcontextprotocol", path)));
const { McpServer, ResourceTemplate, completable, createMcpHandler, fromJsonSchema, inputRequired, inputResponse, isLegacyRequest } =
  await sdk("server/dist/index.mjs");
const { NodeStreamableHTTPServerTransport, localhostHostValidation, toNodeHandler, toWebRequest } = await sdk("node/dist/index.mjs");
const { z } = await import(pathToFileURL(resolve("node_modules/zod/index.js")));

// One red pixel.
const PIXEL = Buffer.from(
  "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63f8cfc0000003010100c9fe92ef0000000049454e44ae426082",
  "hex",
).toString("base64");

const text = (text) => ({ content: [{ type: "text", text }] });

// A tool that needs one answer of the client: the server asks for it, then runs again with it. The state that it gives
// the client to carry must come back byte for byte.
const asking = (request, answered) => (args, ctx) => {
  const response = inputResponse(ctx.mcpReq.inputResponses, "answer");
  if (response.kind === "missing") {
    return inputRequired({ inputRequests: { answer: request(args) }, requestState: "state: \"é\" / 1" });
  }
  return ctx.mcpReq.requestState() === "state: \"é\" / 1" ? text(answered(response)) : text("the state is another");
};

function server() {
  const server = new McpServer(
    { name: "fixture-typescript", version: "1.0.0" },
    { capabilities: { logging: {} }, instructions: "Offers one of everything." },
  );
  const tool = (name, description, properties, run, outputSchema) => {
    const schema = fromJsonSchema({ type: "object", properties, required: Object.keys(properties) });
    server.registerTool(name, { description, inputSchema: schema, outputSchema }, run);
  };
  const string = { type: "string" };
  tool("greet", "Greets somebody.", { name: string }, ({ name }) => text(`Hello, ${name}!`));
  tool(
    "add",
    "Adds two numbers.",
    { a: { type: "number" }, b: { type: "number" } },
    ({ a, b }) => ({ ...text(JSON.stringify({ sum: a + b })), structuredContent: { sum: a + b } }),
    fromJsonSchema({ type: "object", properties: { sum: { type: "number" } }, required: ["sum"] }),
  );
  tool("fail", "Fails.", {}, () => {
    throw new Error("it failed as asked");
  });
  tool("picture", "Shows a picture.", {}, () => ({ content: [{ type: "image", data: PIXEL, mimeType: "image/png" }] }));
  tool("count", "Counts, and says how far it is.", { to: { type: "integer" } }, async ({ to }, ctx) => {
    const progressToken = ctx.mcpReq._meta?.progressToken;
    for (let step = 1; step <= to && progressToken !== undefined; step += 1) {
      const params = { progressToken, progress: step, total: to, message: `step ${step}` };
      await ctx.mcpReq.notify({ method: "notifications/progress", params });
    }
    return text(`counted to ${to}`);
  });
  tool("report", "Writes two log messages.", {}, async (_, ctx) => {
    await ctx.mcpReq.log("info", "first");
    await ctx.mcpReq.log("warning", "second");
    return text("reported");
  });
  const asked = (prompt) => ({ messages: [{ role: "user", content: { type: "text", text: prompt } }], maxTokens: 10 });
  tool(
    "ask_model",
    "Asks the client's model.",
    { prompt: string },
    asking(
      ({ prompt }) => inputRequired.createMessage(asked(prompt)),
      ({ result }) => `the model said: ${result.content.text}`,
    ),
  );
  const form = { type: "object", properties: { name: string }, required: ["name"] };
  tool(
    "ask_user",
    "Asks the client's user.",
    {},
    asking(
      () => inputRequired.elicit({ message: "What is your name?", requestedSchema: form }),
      ({ content }) => `the user said: ${content.name}`,
    ),
  );
  tool(
    "ask_roots",
    "Asks for the client's directories.",
    {},
    asking(
      () => inputRequired.listRoots(),
      ({ roots }) => roots.map((root) => root.uri).join(" "),
    ),
  );

  const plain = { mimeType: "text/plain" };
  const note = (uri, text) => ({ contents: [{ uri: uri.href, ...plain, text }] });
  server.registerResource("welcome", "note://welcome", plain, (uri) => note(uri, "Welcome, café."));
  const template = new ResourceTemplate("note://about/{subject}", { list: undefined });
  server.registerResource("about", template, plain, (uri, { subject }) => note(uri, `About ${subject}.`));
  const names = (begun) => ["Ada", "Alan", "Grace"].filter((name) => name.startsWith(begun));
  server.registerPrompt(
    "introduce",
    { description: "Introduces somebody.", argsSchema: z.object({ name: completable(z.string(), names) }) },
    ({ name }) => ({ messages: [{ role: "user", content: { type: "text", text: `Please introduce ${name}.` } }] }),
  );
  return server;
}

const modern = toNodeHandler(createMcpHandler(server, { legacy: "reject" }));
const isLocal = localhostHostValidation();
const sessions = new Map();

async function legacy(request, response, body) {
  const known = sessions.get(request.headers["mcp-session-id"]);
  if (known) return known.handleRequest(request, response, body);
  if (body?.method !== "initialize") return response.writeHead(404).end();
  const transport = new NodeStreamableHTTPServerTransport({
    sessionIdGenerator: randomUUID,
    onsessioninitialized: (id) => sessions.set(id, transport),
    onsessionclosed: (id) => sessions.delete(id),
  });
  await server().connect(transport);
  return transport.handleRequest(request, response, body);
}

async function handle(request, response) {
  if (!isLocal(request, response)) return undefined;
  const parts = [];
  for await (const part of request) parts.push(part);
  const body = parts.length > 0 ? JSON.parse(Buffer.concat(parts).toString()) : undefined;
  const isLegacy = await isLegacyRequest(await toWebRequest(request, body), body);
  return isLegacy ? legacy(request, response, body) : modern(request, response, body);
}

createServer((request, response) => {
  handle(request, response).catch((error) => {
    console.error(error);
    response.destroy();
  });
}).listen(0);
