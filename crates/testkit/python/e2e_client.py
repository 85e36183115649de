"""Drives an MCP server with the official Python client over Streamable HTTP and prints what came back as JSON.

    e2e_client.py URL TOKEN [STEPS]

TOKEN is the bearer token, or "-" for none. STEPS is a JSON list (default: STEPS below); each step is a list of its kind
and its arguments. One answer per step is printed, in order: {"step": …, "result": …} or {"step": …, "error": …}, so that
a run against a server and a run through the gateway can be compared line by line. A step that fails does not end the
run. The exit status is 1 only when no session could be opened; then {"failed": …} is all that is printed.
"""

import asyncio
import json
import sys
from datetime import timedelta

import httpx
from mcp import ClientSession, McpError
from mcp.client.streamable_http import streamable_http_client

# Against @modelcontextprotocol/server-everything; nothing here returns a clock or a random number.
STEPS = [
    ["ping"],
    ["list_tools"],
    ["call", "echo", {"message": "a \"quoted\" line\nand another, café, 𝄞, \u0007"}],
    ["call", "get-sum", {"a": 2, "b": 40.5}],
    ["call", "get-structured-content", {"location": "Chicago"}],
    ["call", "get-tiny-image", {}],
    ["call", "echo", {}],
    ["call", "no-such-tool", {"x": 1}],
    ["parallel", "echo", [{"message": f"number {n}"} for n in range(16)]],
    ["progress", "trigger-long-running-operation", {"duration": 0.5, "steps": 5}],
    ["list_prompts"],
    ["prompt", "simple-prompt", {}],
    ["prompt", "args-prompt", {"city": "Köln"}],
    ["prompt", "no-such-prompt", {}],
    ["list_resources"],
    ["list_resource_templates"],
    ["read", "demo://resource/static/document/features.md"],
    ["read", "demo://resource/no-such"],
]

# One request may wait this long; a gateway that loses an answer fails the step and does not hang the test.
REQUEST_LIMIT = timedelta(seconds=30)


def plain(model):
    return model.model_dump(mode="json", by_alias=True, exclude_none=True)


async def take(session, step):
    kind, *arguments = step
    match kind:
        case "ping":
            return plain(await session.send_ping())
        case "list_tools" | "list_prompts" | "list_resources" | "list_resource_templates":
            return plain(await getattr(session, kind)())
        case "call":
            return plain(await session.call_tool(*arguments))
        case "parallel":
            name, each = arguments
            answers = await asyncio.gather(*(session.call_tool(name, one) for one in each))
            return [plain(answer) for answer in answers]
        case "progress":
            seen = []

            async def note(progress, total, message):
                seen.append([progress, total, message])

            answer = await session.call_tool(*arguments, progress_callback=note)
            return {"progress": seen, "answer": plain(answer)}
        case "prompt":
            return plain(await session.get_prompt(*arguments))
        case "read":
            return plain(await session.read_resource(*arguments))
    raise SystemExit(f"no such step: {kind}")


async def run(url, token, steps):
    headers = {} if token == "-" else {"Authorization": f"Bearer {token}"}
    answers = []
    # trust_env: a proxy of the environment has no business between a test and its own loopback server.
    async with httpx.AsyncClient(headers=headers, timeout=httpx.Timeout(30, read=60), trust_env=False) as http:
        async with streamable_http_client(url, http_client=http) as (read, write, _):
            async with ClientSession(read, write, read_timeout_seconds=REQUEST_LIMIT) as session:
                answers.append({"step": ["initialize"], "result": plain(await session.initialize())})
                for step in steps:
                    try:
                        answers.append({"step": step, "result": await take(session, step)})
                    except McpError as error:
                        answers.append({"step": step, "error": plain(error.error)})
    return answers


def causes(error):
    """The errors inside task groups' exception groups: the groups themselves say nothing."""
    if isinstance(error, BaseExceptionGroup):
        return [cause for inner in error.exceptions for cause in causes(inner)]
    return [f"{type(error).__name__}: {error}"]


def main():
    url, token, *rest = sys.argv[1:]
    steps = json.loads(rest[0]) if rest else STEPS
    try:
        print(json.dumps(asyncio.run(run(url, token, steps)), indent=1, sort_keys=True))
    except Exception as error:
        print(json.dumps({"failed": causes(error)}, indent=1))
        raise SystemExit(1) from None


main()
