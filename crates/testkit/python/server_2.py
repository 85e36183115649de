"""A server of the official Python SDK 2.x, of both eras, on a free port of 127.0.0.1; says `listening on port N`.

With the argument "stdio" it speaks over standard input and output instead. It offers one of everything a client can
use: plain, structured, failing and illustrated tools, progress, log messages, questions to the client's model, user and
directories, a resource, a template, a prompt, completion. Nothing it answers depends on a clock or on chance.
"""

import socket
import sys
import warnings
from typing import Annotated

import uvicorn
from mcp.server.mcpserver import Context, Image, MCPServer
from mcp.server.mcpserver.resolve import Elicit, ListRoots, Resolve, Sample
from mcp.shared.exceptions import MCPDeprecationWarning
from mcp.types import Completion, CreateMessageResult, ListRootsResult, SamplingMessage, TextContent
from pydantic import BaseModel

# Log messages and questions to the model are deprecated in the newest revision, and still part of it.
warnings.simplefilter("ignore", MCPDeprecationWarning)

# One red pixel.
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de"
    "0000000c49444154789c63f8cfc0000003010100c9fe92ef0000000049454e44ae426082"
)

server = MCPServer("fixture-python", version="1.0.0", instructions="Offers one of everything.")


class Sum(BaseModel):
    sum: float


class Form(BaseModel):
    name: str


def model(prompt: str) -> Sample:
    return Sample([SamplingMessage(role="user", content=TextContent(type="text", text=prompt))], max_tokens=10)


def user() -> Elicit[Form]:
    return Elicit("What is your name?", Form)


def roots() -> ListRoots:
    return ListRoots()


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
def ask_model(prompt: str, answer: Annotated[CreateMessageResult, Resolve(model)]) -> str:
    """Asks the client's model."""
    return f"the model said: {answer.content.text}"


@server.tool(structured_output=False)
def ask_user(form: Annotated[Form, Resolve(user)]) -> str:
    """Asks the client's user."""
    return f"the user said: {form.name}"


@server.tool(structured_output=False)
def ask_roots(answer: Annotated[ListRootsResult, Resolve(roots)]) -> str:
    """Asks for the client's directories."""
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
    return Completion(values=names, total=len(names), has_more=False)


def main():
    if sys.argv[1:] == ["stdio"]:
        server.run("stdio")
        return
    listener = socket.create_server(("127.0.0.1", 0))
    print(f"listening on port {listener.getsockname()[1]}", flush=True)
    config = uvicorn.Config(server.streamable_http_app(), log_level="warning", lifespan="on")
    uvicorn.Server(config).run(sockets=[listener])


main()
