"""What nginx and curl do."""

from __future__ import annotations

import asyncio

from .. import ours
from ..bench import LINE, Bench, connected
from ..peer import (
    PATIENCE,
    Settings,
    http_body,
    http_request,
)


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
