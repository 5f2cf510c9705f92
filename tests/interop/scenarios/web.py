"""What nginx and curl do."""

from __future__ import annotations

import asyncio

import aiotls

from .. import ours
from ..bench import LINE, Bench, connected
from ..peer import (
    PATIENCE,
    Settings,
    http_body,
    http_request,
)
from ..pki import _server


async def nginx_staples(bench: Bench) -> None:
    response = bench.staple()
    file = bench.file("staple", response)
    extra = ("ssl_stapling on", f"ssl_stapling_file {file}")
    settings = Settings(credentials=bench.pki.server(), extra=extra)
    with bench.peer.serve(settings) as server:
        async with connected(server.port, bench.client()) as (reader, writer, engine):
            assert await ours.exchange((reader, writer), LINE, http=True) == LINE
            assert engine.peer.staple == response


async def nginx_takes_early_data(bench: Bench) -> None:
    settings = Settings(credentials=bench.pki.server(), extra=("ssl_early_data on",))
    config = bench.client()
    with bench.peer.serve(settings) as server:
        async with connected(server.port, config) as (reader, writer, _):
            assert await ours.exchange((reader, writer), LINE, http=True) == LINE
        early = http_request(LINE)
        async with connected(server.port, config, early_data=early) as (reader, _, engine):
            async with asyncio.timeout(PATIENCE):
                assert http_body(await reader.read(-1)) == LINE
            assert engine.early_data_accepted


async def curl_takes_a_staple(bench: Bench) -> None:
    """It looks for who has signed it in what the server sends: the authority comes along."""
    issued = _server("p256")
    identity = aiotls.Identity([*issued.chain, bench.pki.authority.der], issued.key)
    config = aiotls.ServerConfig(identity=identity.with_staple(bench.staple()))
    without = aiotls.ServerConfig(identity=identity)
    for tls12 in (False, True):
        settings = Settings(trust=bench.pki.trust_file, tls12=tls12, extra=("--cert-status",))
        async with ours.serve(config, http=True) as server:
            outcome = await bench.visit(server.port, settings)
            assert outcome.data == LINE, outcome.error
        async with ours.serve(without) as server:
            outcome = await bench.visit(server.port, settings)
            assert "No OCSP response received" in outcome.error
