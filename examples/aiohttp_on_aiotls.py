"""aiohttp, client and server, with its TLS done here.

    pip install aiohttp
    python examples/aiohttp_on_aiotls.py

Shows: aiotls.ssl in place of the standard library's ssl. A context of it goes wherever aiohttp
takes one; on a loop of loop_factory, connections run on this package's own transport.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import aiohttp
from aiohttp import web

import aiotls
from aiotls import ssl
from aiotls.cli.authority import Authority


async def hello(request: web.Request) -> web.Response:
    assert request.transport is not None
    version, suite = (request.transport.get_extra_info("cipher")[i] for i in (1, 0))
    return web.Response(text=f"hello over {version}, {suite}")


async def main(directory: Path) -> None:
    authority = Authority.create()
    issued = authority.issue("localhost")
    pem = directory / "server.pem"
    pem.write_bytes(issued.chain_pem + issued.key_pem)

    server_context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server_context.load_cert_chain(pem)
    client_context = ssl.create_default_context(cadata=authority.certificate_pem.decode())

    application = web.Application()
    application.router.add_get("/", hello)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        await web.TCPSite(runner, "localhost", 0, ssl_context=server_context).start()
        port = runner.addresses[0][1]

        connector = aiohttp.TCPConnector(ssl=client_context)
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.get(f"https://localhost:{port}/") as response,
        ):
            print(await response.text())
    finally:
        await runner.cleanup()


if __name__ == "__main__":
    with (
        tempfile.TemporaryDirectory() as name,
        asyncio.Runner(loop_factory=aiotls.new_event_loop) as asyncio_runner,
    ):
        asyncio_runner.run(main(Path(name)))
