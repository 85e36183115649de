"""Lets an MCP server ask: a client that has a model, a user and directories, over Streamable HTTP.

    e2e_asks.py URL TOKEN

Against @modelcontextprotocol/server-everything. Prints one JSON object: what the server asked by kind, what its tools
answered by name, and the log messages that came on the server's own stream. The exit status is 1 only when no session
could be opened.
"""

import asyncio
import json
import sys
from datetime import timedelta

import httpx
import mcp.types as types
from mcp import ClientSession, McpError
from mcp.client.streamable_http import streamable_http_client

LIMIT = timedelta(seconds=30)


async def run(url, token):
    asked = {"sampling": [], "elicitation": [], "roots": 0}
    messages, results = [], {}
    logged, rooted = asyncio.Event(), asyncio.Event()

    async def sample(_, params):
        asked["sampling"].append(params.messages[0].content.text)
        content = types.TextContent(type="text", text="written by the client's model")
        return types.CreateMessageResult(role="assistant", content=content, model="a-model", stopReason="endTurn")

    async def elicit(_, params):
        asked["elicitation"].append(params.message)
        return types.ElicitResult(action="accept", content={"name": "Ada"})

    async def roots(_):
        asked["roots"] += 1
        rooted.set()
        return types.ListRootsResult(roots=[types.Root(uri="file:///srv/project", name="project")])

    async def log(params):
        messages.append(str(params.data))
        logged.set()

    async def call(session, tool, arguments):
        try:
            answer = await session.call_tool(tool, arguments)
            results[tool] = {"isError": answer.isError, "text": " ".join(c.text for c in answer.content if c.type == "text")}
        except McpError as error:
            results[tool] = {"error": error.error.message}

    headers = {} if token == "-" else {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(headers=headers, timeout=httpx.Timeout(30, read=60), trust_env=False) as http:
        async with streamable_http_client(url, http_client=http) as (read, write, _):
            async with ClientSession(
                read,
                write,
                read_timeout_seconds=LIMIT,
                sampling_callback=sample,
                elicitation_callback=elicit,
                list_roots_callback=roots,
                logging_callback=log,
            ) as session:
                await session.initialize()
                # The server asks for roots by itself, on the stream it has for that.
                try:
                    await asyncio.wait_for(rooted.wait(), 5)
                except TimeoutError:
                    pass
                await call(session, "trigger-sampling-request", {"prompt": "Say something", "maxTokens": 10})
                await call(session, "trigger-elicitation-request", {})
                await call(session, "get-roots-list", {})
                await session.call_tool("toggle-simulated-logging", {})
                try:
                    await asyncio.wait_for(logged.wait(), 10)
                except TimeoutError:
                    pass
    return {"asked": asked, "results": results, "logged": len(messages) > 0}


def main():
    try:
        print(json.dumps(asyncio.run(run(*sys.argv[1:])), indent=1, sort_keys=True))
    except BaseException as error:  # noqa: BLE001 - whatever it is, the test shows it
        print(json.dumps({"failed": repr(error)}))
        raise SystemExit(1) from None


main()
