"""What pyOpenSSL does, and the OpenSSL below it by its binding."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from ..bench import LABEL, LINE, Bench, connected, watched
from ..peer import (
    HOST,
    PATIENCE,
    Settings,
    listening_thread,
)


async def exports_as_server(bench: Bench) -> None:
    from OpenSSL import SSL

    pyopenssl: Any = bench.peer
    for tls12 in (False, True):
        settings = Settings(credentials=bench.pki.server(), tls12=tls12)
        context = pyopenssl.context(settings, None, server_side=True)

        def serve(plain: socket.socket, context: Any = context) -> None:
            plain.settimeout(None)
            tls = SSL.Connection(context, plain)
            tls.set_accept_state()
            tls.do_handshake()
            tls.sendall(tls.export_keying_material(LABEL.encode(), 20))
            tls.shutdown()

        with listening_thread(serve) as server:
            async with connected(server.port, bench.client()) as (reader, _, engine):
                async with asyncio.timeout(PATIENCE):
                    found = await reader.readexactly(20)
                assert found == engine.export_keying_material(LABEL, 20)


async def exports_as_client(bench: Bench) -> None:
    from OpenSSL import SSL

    pyopenssl: Any = bench.peer

    def export(port: int, tls12: bool) -> bytes:
        settings = Settings(tls12=tls12)
        context = pyopenssl.context(settings, None, server_side=False)
        with socket.create_connection((HOST, port), PATIENCE) as plain:
            plain.settimeout(None)
            tls = SSL.Connection(context, plain)
            tls.set_connect_state()
            tls.do_handshake()
            tls.sendall(LINE)
            assert tls.recv(1000) == LINE
            material: bytes = tls.export_keying_material(LABEL.encode(), 20)
            tls.shutdown()
            return material

    async with watched(bench.server()) as (port, engines):
        for tls12 in (False, True):
            found = await asyncio.to_thread(export, port, tls12)
            assert found == engines[-1].export_keying_material(LABEL, 20)
