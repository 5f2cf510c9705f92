"""uvicorn serving an ASGI application, with its TLS done here.

    pip install uvicorn
    python examples/uvicorn_on_aiotls.py

Shows: uvicorn's ``ssl_context_factory`` with a context of aiotls.ssl, so that nothing has to be
patched, and a loop of this package's, on which the connections run on its own transport.
"""

from __future__ import annotations

import asyncio
import socket
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import uvicorn

import aiotls
from aiotls import ssl
from aiotls.cli.authority import Authority

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


async def application(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Any ASGI application."""
    assert scope["type"] == "http"
    headers = [(b"content-type", b"text/plain"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": f"{scope['scheme']} it is".encode()})


async def get(port: int, trust: aiotls.TrustStore) -> str:
    reader, writer = await aiotls.open_connection(
        "localhost", port, ssl=aiotls.ClientConfig(trust=trust, alpn_protocols=["http/1.1"])
    )
    writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer.decode()


async def main(directory: Path) -> None:
    authority = Authority.create()
    issued = authority.issue("localhost")
    pem = directory / "server.pem"
    pem.write_bytes(issued.chain_pem + issued.key_pem)

    def context(config: uvicorn.Config, default: Any) -> ssl.SSLContext:
        made = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        made.load_cert_chain(pem)
        return made

    server = uvicorn.Server(
        uvicorn.Config(
            application,
            ssl_certfile=pem,
            ssl_context_factory=context,
            lifespan="off",
            log_level="warning",
        )
    )
    sock = socket.create_server(("localhost", 0))  # who comes early waits in its queue
    serving = asyncio.create_task(server.serve(sockets=[sock]))
    print(await get(sock.getsockname()[1], authority.trust()))
    server.should_exit = True
    await serving


if __name__ == "__main__":
    with (
        tempfile.TemporaryDirectory() as name,
        asyncio.Runner(loop_factory=aiotls.new_event_loop) as runner,
    ):
        runner.run(main(Path(name)))
