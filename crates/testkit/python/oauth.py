"""A client that knows one address: the official Python clients' own OAuth flow, and what it asked for on its way.

Reads `{url, registration}` from standard input: `dynamic` registers itself, `document` is known by a client-ID metadata
document, `registered` has a client id. Prints `{trace, tools}`: each request in order as
`METHOD gateway|provider/path status`, and the tools it is shown in the end. `oauth_N.py` brings the SDK.
"""

import asyncio
import json
import sys
from http.cookies import SimpleCookie
from urllib.parse import parse_qs, urljoin, urlsplit

from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata

REDIRECT = "http://127.0.0.1/callback"
DOCUMENT = "https://app.example.com/client.json"
MAX_REDIRECTS = 10
LIMIT_SECONDS = 60


async def browse(http, url):
    """The person's browser: follows redirects with cookies until it would come back to the client."""
    cookies = {}
    for _ in range(MAX_REDIRECTS):
        header = "; ".join(f"{name}={value}" for name, value in cookies.items())
        response = await http.get(url, headers={"cookie": header}, follow_redirects=False)
        for line in response.headers.get_list("set-cookie"):
            for name, morsel in SimpleCookie(line).items():
                cookies[name] = morsel.value
        location = response.headers.get("location")
        if location is None:
            raise RuntimeError(f"the browser stands at {url}: {response.status_code} {response.text}")
        url = urljoin(str(url), location)
        if url.startswith(REDIRECT):
            return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    raise RuntimeError("the browser was redirected too often")


class Storage:
    """Keeps what the SDK gives it to keep."""

    def __init__(self, client=None):
        self.client = client
        self.tokens = None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client_info):
        self.client = client_info


async def run(httpx, new_auth, list_tools):
    given = json.load(sys.stdin)
    metadata = {
        "client_name": "vidimus-test",
        "application_type": "native",
        "redirect_uris": [REDIRECT],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
    }
    is_registered = given["registration"] == "registered"
    client = OAuthClientInformationFull(client_id="app", **metadata) if is_registered else None
    document = DOCUMENT if given["registration"] == "document" else None
    gateway = urlsplit(given["url"]).netloc
    trace = []

    async def record(response):
        url = urlsplit(str(response.request.url))
        side = "gateway" if url.netloc == gateway else "provider"
        trace.append(f"{response.request.method} {side}{url.path} {response.status_code}")

    # trust_env: a proxy of the environment has no business between a test and its own loopback server.
    async with httpx.AsyncClient(trust_env=False, timeout=LIMIT_SECONDS) as browser:
        callback = {}

        async def redirect(url):
            callback.update(await browse(browser, url))

        auth = new_auth(
            given["url"],
            OAuthClientMetadata.model_validate(metadata),
            Storage(client),
            redirect,
            lambda: callback,
            document,
        )
        hooks = {"response": [record]}
        async with httpx.AsyncClient(auth=auth, event_hooks=hooks, trust_env=False, timeout=LIMIT_SECONDS) as http:
            try:
                tools = await list_tools(given["url"], http)
            except Exception:
                # A flow takes one step; the next connection goes on with the token that it got.
                if not trace or not trace[-1].endswith(" 403"):
                    raise
                tools = await list_tools(given["url"], http)
    print(json.dumps({"trace": trace, "tools": [tool.name for tool in tools.tools]}))


def main(httpx, new_auth, list_tools):
    asyncio.run(asyncio.wait_for(run(httpx, new_auth, list_tools), LIMIT_SECONDS))
