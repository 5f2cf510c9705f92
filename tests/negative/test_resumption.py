"""What must not happen when a session is resumed."""

from __future__ import annotations

from aiotls import ClientConfig, ServerConfig
from aiotls.enums import ExtensionType
from aiotls.wire.messages import EncryptedExtensions
from tests.engine.pair import Pair, connect


def twice(client: ClientConfig, server: ServerConfig) -> tuple[Pair, list[EncryptedExtensions]]:
    """A full handshake, a resumed one, and the EncryptedExtensions of both."""
    seen: list[EncryptedExtensions] = []

    def look(message: object) -> object:
        if isinstance(message, EncryptedExtensions):
            seen.append(message)
        return message

    connect(client, server, server_sends=look).check()  # type: ignore[arg-type]
    return connect(client, server, server_sends=look).check(), seen  # type: ignore[arg-type]


def test_server_name_is_not_acknowledged_on_resumption(
    client: ClientConfig, server: ServerConfig
) -> None:
    """RFC 6066, section 3."""
    pair, (full, resumed) = twice(client, server)
    assert pair.server.established is not None
    assert pair.server.established.resumed
    assert ExtensionType.SERVER_NAME in full.extensions
    assert ExtensionType.SERVER_NAME not in resumed.extensions
