"""A server of the official Python SDK 1.x that speaks HTTP with SSE alone (MCP 2024-11-05), on a free port of 127.0.0.1.

It says `listening on port N`; its endpoint is `/sse`. It offers under the same names what `server_2.py` offers.
"""

import socket

import uvicorn
from mcp.server.fastmcp import Context, FastMCP, Image
from mcp.types import Completion, SamplingMessage, TextContent
from pydantic import BaseModel

# One red pixel.
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de"
    "0000000c49444154789c63f8cfc0000003010100c9fe92ef0000000049454e44ae426082"
)

server = FastMCP("fixture-python-sse", instructions="Offers one of everything.")


class Sum(BaseModel):
    sum: float


class Form(BaseModel):
    name: str


@server.tool(structured_output=False)
def greet(name: str) -> str:
    """Greets somebody."""
    return f"Hello, {name}!"


@server.tool()
def add(a: float, b: float) -> Sum:
    """Adds two numbers."""
    return Sum(sum=a + b)


@server.tool(structured_output=False)
def fail() -> str:
    """Fails."""
    raise ValueError("it failed as asked")


@server.tool(structured_output=False)
def picture() -> Image:
    """Shows a picture."""
    return Image(data=PIXEL, format="png")


@server.tool(structured_output=False)
async def count(to: int, ctx: Context) -> str:
    """Counts, and says how far it is."""
    for step in range(1, to + 1):
        await ctx.report_progress(step, to, f"step {step}")
    return f"counted to {to}"


@server.tool(structured_output=False)
async def report(ctx: Context) -> str:
    """Writes two log messages."""
    await ctx.info("first")
    await ctx.warning("second")
    return "reported"


@server.tool(structured_output=False)
async def ask_model(prompt: str, ctx: Context) -> str:
    """Asks the client's model."""
    message = SamplingMessage(role="user", content=TextContent(type="text", text=prompt))
    answer = await ctx.session.create_message([message], max_tokens=10)
    return f"the model said: {answer.content.text}"


@server.tool(structured_output=False)
async def ask_user(ctx: Context) -> str:
    """Asks the client's user."""
    answer = await ctx.elicit("What is your name?", Form)
    return f"the user said: {answer.data.name}"


@server.tool(structured_output=False)
async def ask_roots(ctx: Context) -> str:
    """Asks for the client's directories."""
    answer = await ctx.session.list_roots()
    return " ".join(str(root.uri) for root in answer.roots)


@server.resource("note://welcome", mime_type="text/plain")
def welcome() -> str:
    """A note."""
    return "Welcome, café."


@server.resource("note://about/{subject}", mime_type="text/plain")
def about(subject: str) -> str:
    """A note about anything."""
    return f"About {subject}."


@server.prompt()
def introduce(name: str) -> str:
    """Introduces somebody."""
    return f"Please introduce {name}."


@server.completion()
async def complete(_reference, argument, _context):
    names = [name for name in ("Ada", "Alan", "Grace") if name.startswith(argument.value)]
    return Completion(values=names, total=len(names), hasMore=False)


listener = socket.create_server(("127.0.0.1", 0))
print(f"listening on port {listener.getsockname()[1]}", flush=True)
# A stream is open for as long as its client is there, so the server does not wait for its end.
config = uvicorn.Config(server.sse_app(), log_level="warning", timeout_graceful_shutdown=0)
uvicorn.Server(config).run(sockets=[listener])
