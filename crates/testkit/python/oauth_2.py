"""The official Python client 2.x finds the identity provider by itself (`oauth.py` says how)."""

import httpx2
import oauth
from mcp.client import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult


def new_auth(url, metadata, storage, redirect, callback, document):
    async def answered():
        return AuthorizationCodeResult.model_validate(callback())

    return OAuthClientProvider(url, metadata, storage, redirect, answered, client_metadata_url=document)


async def list_tools(url, http):
    async with Client(streamable_http_client(url, http_client=http), mode="auto") as client:
        return await client.list_tools()


oauth.main(httpx2, new_auth, list_tools)
