"""The scripted session of the official Python clients: takes its steps and tells what came back.

A client script (`client_1.py`, `client_2.py`) reads a JSON list of sessions from standard input, each

    {"name": …, "era": "legacy" | "modern", "url": …, "token": … | null, "transport": "http" | "sse",
     "steps": [[kind, argument …] …]}

or with "command" (a list) in the place of "url", "token" and "transport", and takes them side by side. Each step prints one line:
{"session": name, "step": [kind, argument …], "result" or "error": …, "seen": […]}, where "seen" holds what the server
sent or asked during the step, in order. A step that fails does not end its session. The first step is always
["connect"] and the last one ["close"]; a session that cannot be opened has a failed "connect" and nothing else.
"""

import asyncio
import json
import sys
import time

import mcp.types as types

# One request may wait this long: a gateway that loses an answer fails the step and does not hang the test.
LIMIT_SECONDS = 60
# A whole session may take this long: what has no limit of its own, opening and closing, has this one.
SESSION_LIMIT_SECONDS = 6 * LIMIT_SECONDS
# A step that waits for people may take this long.
PATIENCE_SECONDS = 5 * LIMIT_SECONDS
# What server-everything logs on its own stream: no order holds between that and the answers.
UNORDERED = ("Roots updated", "Received Subscribe")


class Recorder:
    """What the server sends and asks, and what a client with a model, a user and directories answers."""

    def __init__(self):
        self.seen = []

    async def sample(self, _, params):
        # One content or a list of them, depending on the SDK.
        first = params.messages[0].content
        first = first[0] if isinstance(first, list) else first
        self.seen.append(["sampling", first.text])
        answer = {"role": "assistant", "content": {"type": "text", "text": "written by a model"}, "model": "a-model"}
        return types.CreateMessageResult.model_validate(answer)

    async def elicit(self, _, params):
        self.seen.append(["elicitation", params.message])
        return types.ElicitResult(action="accept", content={"name": "Ada"})

    async def roots(self, _):
        # Not among what is seen: a server asks when it likes.
        return types.ListRootsResult.model_validate({"roots": [{"uri": "file:///srv/project", "name": "project"}]})

    async def log(self, params):
        if not str(params.data).startswith(UNORDERED):
            self.seen.append(["log", params.level, params.data])

    async def progress(self, progress, total, message):
        self.seen.append(["progress", progress, total, message])


def plain(model):
    return model.model_dump(mode="json", by_alias=True, exclude_none=True)


def reference(wire):
    """A `ref` of completion/complete."""
    if wire["type"] == "ref/prompt":
        return types.PromptReference.model_validate(wire)
    return types.ResourceTemplateReference.model_validate(wire)


async def take(client, recorder, step):
    """One step. `client` has the methods that the sessions of both SDKs share."""
    kind, *arguments = step
    match kind:
        case "ping":
            return plain(await client.send_ping())
        case "list_tools" | "list_prompts" | "list_resources" | "list_resource_templates":
            return plain(await getattr(client, kind)())
        case "call":
            return plain(await client.call_tool(*arguments))
        case "parallel":
            name, each = arguments
            answers = await asyncio.gather(*(client.call_tool(name, one) for one in each))
            return [plain(answer) for answer in answers]
        case "wait":
            return await wait(client, recorder, *arguments)
        case "sleep":
            return await asyncio.sleep(*arguments)
        case "progress":
            return plain(await client.call_tool(*arguments, progress_callback=recorder.progress))
        case "read":
            return plain(await client.read_resource(*arguments))
        case "subscribe":
            return plain(await client.subscribe_resource(*arguments))
        case "prompt":
            return plain(await client.get_prompt(*arguments))
        case "complete":
            wire, name, value = arguments
            return plain(await client.complete(reference(wire), {"name": name, "value": value}))
        case "set_level":
            return plain(await client.set_logging_level(*arguments))
        case "listen":
            async with client.listen(tools_list_changed=True) as subscription:
                return plain(subscription.honored)
    raise SystemExit(f"no such step: {kind}")


async def wait(client, recorder, name, given, how):
    """A call that people must approve first: what came of it, and after how many seconds."""
    begun = time.monotonic()
    options = {"progress_callback": recorder.progress} if how.get("progress") else {}
    try:
        answer = plain(await client.call_tool(name, given, client.seconds(how["limit"]), **options))
    except Exception as error:
        answer = failure(error)
    progress, recorder.seen = len(recorder.seen), []
    return {"answer": answer, "seconds": round(time.monotonic() - begun, 1), "progress": progress}


def causes(error):
    """The errors inside task groups' exception groups: the groups themselves say nothing."""
    if isinstance(error, BaseExceptionGroup):
        return [cause for inner in error.exceptions for cause in causes(inner)]
    return [f"{type(error).__name__}: {error}"]


def failure(error):
    """An error of the protocol as it came over the wire, any other one by its name."""
    wire = getattr(error, "error", None)
    return plain(wire) if wire is not None else {"message": "; ".join(causes(error))}


async def one(session, connect):
    """A whole session. `connect(session, recorder)` is a context manager: (what the server said of itself, client)."""
    recorder = Recorder()

    def tell(step, outcome):
        line = {"session": session["name"], "step": step, **outcome, "seen": recorder.seen}
        print(json.dumps(line, sort_keys=True), flush=True)
        recorder.seen = []

    step = ["connect"]
    try:
        async with connect(session, recorder) as (server, client):
            tell(step, {"result": server})
            step = ["close"]
            for scripted in session["steps"]:
                try:
                    limit = PATIENCE_SECONDS if scripted[0] in ("wait", "sleep") else LIMIT_SECONDS
                    outcome = {"result": await asyncio.wait_for(take(client, recorder, scripted), limit)}
                except Exception as error:
                    outcome = {"error": failure(error)}
                tell(scripted, outcome)
        tell(step, {"result": {}})
    except Exception as error:
        tell(step, {"error": failure(error)})


def main(connect):
    async def limited(session):
        try:
            await asyncio.wait_for(one(session, connect), SESSION_LIMIT_SECONDS)
        except TimeoutError:
            print(f"{session['name']} was not over after {SESSION_LIMIT_SECONDS} s", file=sys.stderr)

    async def every():
        await asyncio.gather(*(limited(session) for session in json.load(sys.stdin)))

    asyncio.run(every())
