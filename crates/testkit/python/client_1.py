"""The official Python client 1.x, legacy era: takes the sessions it is given (`session.py` says how)."""

from contextlib import asynccontextmanager
from datetime import timedelta

import httpx
import session
from mcp import ClientSession, StdioServerParameters
from mcp.client.sse import sse_client
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client

TIMEOUT = httpx.Timeout(session.LIMIT_SECONDS, read=3 * session.LIMIT_SECONDS)


@asynccontextmanager
async def transport(given):
    if command := given.get("command"):
        async with stdio_client(StdioServerParameters(command=command[0], args=command[1:])) as (read, write):
            yield read, write
        return
    headers = {"Authorization": f"Bearer {given['token']}"} if given["token"] else {}
    if given["transport"] == "sse":

        def client(headers=None, timeout=None, auth=None):
            return httpx.AsyncClient(headers=headers, timeout=TIMEOUT, auth=auth, trust_env=False)

        async with sse_client(given["url"], headers=headers, httpx_client_factory=client) as (read, write):
            yield read, write
        return
    # trust_env: a proxy of the environment has no business between a test and its own loopback server.
    async with httpx.AsyncClient(headers=headers, timeout=TIMEOUT, trust_env=False) as http:
        async with streamable_http_client(given["url"], http_client=http) as (read, write, _):
            yield read, write


@asynccontextmanager
async def connect(given, recorder):
    async with transport(given) as (read, write):
        async with ClientSession(
            read,
            write,
            read_timeout_seconds=timedelta(seconds=session.LIMIT_SECONDS),
            sampling_callback=recorder.sample,
            elicitation_callback=recorder.elicit,
            list_roots_callback=recorder.roots,
            logging_callback=recorder.log,
        ) as client:
            client.seconds = lambda seconds: timedelta(seconds=seconds)
            yield session.plain(await client.initialize()), client


session.main(connect)
