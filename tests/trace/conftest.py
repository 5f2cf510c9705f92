"""Handshakes in memory, recorded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import aiotls
from aiotls.cli.authority import Authority
from aiotls.trace import Recorder

Record = Callable[..., Recorder]


@pytest.fixture
def record() -> Record:
    """Records a handshake as one side sees it, wire and secrets included."""

    def run(seen_by: str = "client", client: Any = None, **server: Any) -> Recorder:
        authority = Authority.create()
        recorder = Recorder()
        watching = {"observer": recorder, "key_log": recorder.secret}
        blind = {"key_log": None}
        client_config = aiotls.ClientConfig(
            trust=authority.trust(),
            alpn_protocols=["h2"],
            **(watching if seen_by == "client" else blind),
        ).replace(**(client or {}))
        server_config = aiotls.ServerConfig(
            identity=authority.identity("localhost"),
            alpn_protocols=["h2"],
            **(watching if seen_by == "server" else blind),
        ).replace(**server)
        ends = {
            "client": aiotls.TLSConnection(client_config, "localhost"),
            "server": aiotls.TLSConnection(server_config),
        }
        for _ in range(6):
            for sender, receiver in (("client", "server"), ("server", "client")):
                data = ends[sender].data_to_send()
                if data:
                    recorder.wire(sender == seen_by, data)
                    ends[receiver].receive_data(data)
        assert ends["client"].handshake_complete
        assert ends["server"].handshake_complete
        ends["client"].write(b"a question")
        recorder.wire(seen_by == "client", ends["client"].data_to_send())
        return recorder

    return run
