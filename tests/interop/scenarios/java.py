"""What Java's JSSE does, by the program in the folder java."""

from __future__ import annotations

import socket

import aiotls
from aiotls.enums import ExtensionType

from .. import ours
from ..bench import LINE, Bench, Hellos, connected, echoed
from ..peer import HOST, Credentials, Settings, lines, listening_thread


async def staples(bench: Bench) -> None:
    """It fetches the response from a responder, which here is one that always says the same."""
    response = bench.staple()
    plain = bench.pki.server()
    chain = bench.file("chain.pem", plain.chain.read_bytes() + bench.pki.authority.pem)

    def respond(connection: socket.socket) -> None:
        received = b""
        while b"\r\n\r\n" not in received:
            received += connection.recv(1 << 16)
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/ocsp-response\r\n"
        head += b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(response)
        connection.sendall(head + response)

    with listening_thread(respond) as responder:
        options = {
            "jdk.tls.server.enableStatusRequestExtension": "true",
            "jdk.tls.stapling.responderOverride": "true",
            "jdk.tls.stapling.responderURI": f"http://{HOST}:{responder.port}/",
        }
        for tls12 in (False, True):
            settings = Settings(
                credentials=Credentials(chain, plain.key), tls12=tls12, options=options
            )
            with bench.peer.serve(settings) as server:
                async with connected(server.port, bench.client()) as (reader, writer, engine):
                    await echoed(reader, writer)
                    assert engine.peer.staple == response, responder.log()


async def takes_a_staple(bench: Bench) -> None:
    response = bench.staple()
    identity = bench.pki.server_identity().with_staple(response)
    async with ours.serve(aiotls.ServerConfig(identity=identity)) as server:
        for tls12 in (False, True):
            settings = Settings(trust=bench.pki.trust_file, tls12=tls12)
            outcome = await bench.visit(server.port, settings)
            assert outcome.data == LINE, outcome.error
            assert f"staple={response.hex()}" in outcome.error


async def asks_for_short_fragments(bench: Bench) -> None:
    """RFC 6066, section 4: what is not taken up is not answered, and all goes on at full size."""
    config = bench.server(observer=(seen := Hellos()))
    settings = Settings(
        trust=bench.pki.trust_file,
        options={"jsse.enableMFLNExtension": "true"},
        extra=("packet=1024",),
    )
    payload = lines(20_000)
    for tls12 in (False, True):
        async with ours.serve(config) as server:
            outcome = await bench.visit(server.port, settings.but(tls12=tls12), payload)
        assert outcome.data == payload, outcome.error
        assert ExtensionType.MAX_FRAGMENT_LENGTH in seen.client.extensions.types
        assert ExtensionType.MAX_FRAGMENT_LENGTH not in seen.answered
