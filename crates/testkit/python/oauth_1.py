"""The official Python client 1.x finds the identity provider by itself (`oauth.py` says how)."""

import httpx
import oauth
from mcp import ClientSession
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client


def new_auth(url, metadata, storage, redirect, callback, document):
    async def answered():
        return callback()["code"], callback()["state"]

    return OAuthClientProvider(url, metadata, storage, redirect, answered, client_metadata_url=document)


async def list_tools(url, http):
    async with streamable_http_client(url, http_client=http) as (read, write, _):
        async with ClientSession(read, write) as client:
            await client.initialize()
            return await client.list_tools()


oauth.main(httpx, new_auth, list_tools)
