"""The official Python client 2.x, both eras: takes the sessions it is given (`session.py` says how)."""

import warnings
from contextlib import asynccontextmanager

import httpx2
import session
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPDeprecationWarning

TIMEOUT = httpx2.Timeout(session.LIMIT_SECONDS, read=3 * session.LIMIT_SECONDS)

# Deprecated is what only the legacy era has: this client speaks both.
warnings.simplefilter("ignore", MCPDeprecationWarning)


@asynccontextmanager
async def transport(given):
    if command := given.get("command"):
        yield stdio_client(StdioServerParameters(command=command[0], args=command[1:]))
        return
    headers = {"Authorization": f"Bearer {given['token']}"} if given["token"] else {}
    # trust_env: a proxy of the environment has no business between a test and its own loopback server.
    async with httpx2.AsyncClient(headers=headers, timeout=TIMEOUT, trust_env=False) as http:
        yield streamable_http_client(given["url"], http_client=http)


@asynccontextmanager
async def connect(given, recorder):
    is_legacy = given["era"] == "legacy"
    async with transport(given) as channel:
        async with Client(
            channel,
            # "auto" asks `server/discover` first; that the server knows the era is part of the test.
            mode="legacy" if is_legacy else "auto",
            read_timeout_seconds=session.LIMIT_SECONDS,
            sampling_callback=recorder.sample,
            elicitation_callback=recorder.elicit,
            list_roots_callback=recorder.roots,
            logging_callback=recorder.log,
            log_level="debug",
            # Each step is to ask the server.
            cache=None,
        ) as client:
            client.seconds = float
            opened = client.session.initialize_result if is_legacy else client.session.discover_result
            if opened is None:
                raise RuntimeError(f"the server does not speak the {given['era']} era")
            yield session.plain(opened), client


session.main(connect)
