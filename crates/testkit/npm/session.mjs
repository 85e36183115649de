// The scripted session of the official TypeScript clients: takes its steps and tells what came back.
//
// What it reads and what it prints is as in `python/session.py`: a list of sessions from standard input, taken side by
// side, one line per step. `typescript-1/client.mjs` and `typescript-2/client.mjs` bring the SDK.

import { setTimeout as sleep } from "node:timers/promises";

/** Milliseconds that one request may take: a gateway that loses an answer fails the step, and does not hang the test. */
export const LIMIT = 60_000;
/** Milliseconds that a whole session may take: what has no limit of its own, opening and closing, has this one. */
const SESSION_LIMIT = 6 * LIMIT;
/** What server-everything logs on its own stream: no order holds between that and the answers. */
const UNORDERED = ["Roots updated", "Received Subscribe"];

// Standard output is for answers only; the SDK remarks on things there.
console.debug = console.error;

/** What this client can do, beside calling: it has a model, a user and directories. */
export const capabilities = { sampling: {}, elicitation: { form: {} }, roots: {} };

/** What the server sends and asks, and what is answered. */
class Recorder {
  seen = [];

  handlers = {
    "sampling/createMessage": ({ params }) => {
      const first = [params.messages[0].content].flat()[0];
      this.seen.push(["sampling", first.text]);
      return { role: "assistant", content: { type: "text", text: "written by a model" }, model: "a-model" };
    },
    "elicitation/create": ({ params }) => {
      this.seen.push(["elicitation", params.message]);
      return { action: "accept", content: { name: "Ada" } };
    },
    // Not among what is seen: a server asks when it likes.
    "roots/list": () => ({ roots: [{ uri: "file:///srv/project", name: "project" }] }),
  };

  log({ params }) {
    if (UNORDERED.some((begin) => String(params.data).startsWith(begin))) return;
    this.seen.push(["log", params.level, params.data]);
  }

  progress({ progress, total, message }) {
    this.seen.push(["progress", progress, total, message]);
  }
}

/** One step. Beside the client come, as functions, the things that the two SDKs do not have alike. */
function take({ client, call, listen }, recorder, [kind, ...rest]) {
  const tool = (name, args, options = {}) => call({ name, arguments: args }, { timeout: LIMIT, ...options });
  const options = { timeout: LIMIT };
  switch (kind) {
    case "ping":
      return client.ping(options);
    case "list_tools":
      return client.listTools(undefined, options);
    case "list_prompts":
      return client.listPrompts(undefined, options);
    case "list_resources":
      return client.listResources(undefined, options);
    case "list_resource_templates":
      return client.listResourceTemplates(undefined, options);
    case "call":
      return tool(...rest);
    case "parallel":
      return Promise.all(rest[1].map((args) => tool(rest[0], args)));
    case "wait":
      return wait(tool, recorder, ...rest);
    case "sleep":
      return sleep(rest[0] * 1000).then(() => null);
    case "progress":
      return tool(...rest, { onprogress: (progress) => recorder.progress(progress) });
    case "read":
      return client.readResource({ uri: rest[0] }, options);
    case "subscribe":
      return client.subscribeResource({ uri: rest[0] }, options);
    case "prompt":
      return client.getPrompt({ name: rest[0], arguments: rest[1] }, options);
    case "complete":
      return client.complete({ ref: rest[0], argument: { name: rest[1], value: rest[2] } }, options);
    case "set_level":
      return client.setLoggingLevel(rest[0], options);
    case "listen":
      return listen({ toolsListChanged: true }, options);
    default:
      throw new Error(`no such step: ${kind}`);
  }
}

/** A call that people must approve first: what came of it, and after how many seconds. */
async function wait(tool, recorder, name, args, how) {
  const begun = Date.now();
  const progress = { onprogress: (progress) => recorder.progress(progress), resetTimeoutOnProgress: true };
  const answer = await tool(name, args, { timeout: how.limit * 1000, ...(how.progress ? progress : {}) }).catch(failure);
  const seen = recorder.seen.length;
  recorder.seen = [];
  return { answer, seconds: (Date.now() - begun) / 1000, progress: seen };
}

/** An error of the protocol as it came over the wire, any other one by its name. */
function failure(error) {
  if (["McpError", "ProtocolError"].includes(error.name)) {
    return { code: error.code, message: error.message.replace(/^MCP error -?\d+: /, ""), data: error.data };
  }
  const causes = [];
  for (let cause = error; cause; cause = cause.cause) causes.push(`${cause.name}: ${cause.message}`);
  return { message: causes.join("; ") };
}

async function one(session, connect) {
  const recorder = new Recorder();
  const tell = (step, outcome) => {
    console.log(JSON.stringify({ session: session.name, step, ...outcome, seen: recorder.seen }));
    recorder.seen = [];
  };
  const outcome = async (run) => {
    try {
      return { result: await run() };
    } catch (error) {
      return { error: failure(error) };
    }
  };

  let connection;
  const opened = await outcome(async () => {
    connection = await connect(session, recorder);
    return connection.server;
  });
  tell(["connect"], opened);
  if (opened.error) return;
  for (const step of session.steps) {
    tell(step, await outcome(() => take(connection, recorder, step)));
  }
  tell(["close"], await outcome(() => connection.close()));
}

/** Ends by itself, whatever is still open: a session that failed half-way must not keep the process. */
export async function main(connect) {
  const parts = [];
  for await (const part of process.stdin) parts.push(part);
  const late = (name) => console.error(`${name} was not over after ${SESSION_LIMIT} ms`);
  await Promise.all(
    JSON.parse(Buffer.concat(parts)).map((session) =>
      Promise.race([one(session, connect), sleep(SESSION_LIMIT).then(() => late(session.name))]),
    ),
  );
  process.exit();
}
