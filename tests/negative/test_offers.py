"""What must not be offered, or answered, in the version that is spoken."""

from __future__ import annotations

import pytest

from aiotls import ClientConfig, ServerConfig
from aiotls.enums import ContentType, ExtensionType, NamedGroup, ProtocolVersion
from aiotls.wire import extensions as ext
from aiotls.wire.messages import ClientHello
from tests.engine.pair import Pair, connect
from tests.negative.test_alerts import records


def hellos_of(client: ClientConfig, server: ServerConfig) -> tuple[Pair, list[ClientHello]]:
    seen: list[ClientHello] = []

    def look(message: object) -> object:
        if isinstance(message, ClientHello):
            seen.append(message)
        return message

    return connect(client, server, client_sends=look), seen  # type: ignore[arg-type]


def test_client_of_tls_1_2_offers_nothing_of_tls_1_3(
    client: ClientConfig, server: ServerConfig
) -> None:
    """RFC 8446, section 4.2.8; draft-ietf-tls-ecdhe-mlkem, section 2; RFC 5246, 7.4.1.2."""
    pair, (hello,) = hellos_of(client.replace(max_version=ProtocolVersion.TLSv1_2), server)
    pair.check()
    assert hello.session_id == b""  # no session is to be resumed
    assert ExtensionType.KEY_SHARE not in hello.extensions
    assert ExtensionType.PSK_KEY_EXCHANGE_MODES not in hello.extensions
    groups = hello.extensions.get(ext.SUPPORTED_GROUPS) or ()
    assert NamedGroup.X25519 in groups
    assert NamedGroup.X25519MLKEM768 not in groups


def test_records_after_the_first_client_hello_are_of_tls_1_2(
    client: ClientConfig, server: ServerConfig
) -> None:
    """RFC 8446, section 5.1: 0x0301 is for the initial ClientHello alone."""
    groups = [NamedGroup.X25519, NamedGroup.SECP384R1]
    pair, hellos = hellos_of(
        client.replace(groups=groups), server.replace(groups=[NamedGroup.SECP384R1])
    )
    pair.check()
    assert len(hellos) == 2
    data, versions = bytes(pair.to_server), []
    while data:
        versions.append(data[1:3])
        data = data[5 + int.from_bytes(data[3:5], "big") :]
    assert versions == [b"\3\1"] + [b"\3\3"] * (len(versions) - 1)


@pytest.mark.parametrize("compatible", [True, False])
def test_server_sends_change_cipher_spec_behind_its_hello(
    client: ClientConfig, server: ServerConfig, compatible: bool
) -> None:
    """RFC 8446, appendix D.4; other servers send it to every client."""
    pair = connect(client.replace(middlebox_compatibility=compatible), server).check()
    hello, ccs, *rest = records(bytes(pair.to_client))
    assert (hello, ccs) == (ContentType.HANDSHAKE, ContentType.CHANGE_CIPHER_SPEC)
    assert set(rest) == {ContentType.APPLICATION_DATA}
    assert len(rest) == 2  # the flight in one record, the tickets in another
