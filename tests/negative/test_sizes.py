"""Messages that announce more than anyone has memory for: each is refused by its header."""

from __future__ import annotations

from typing import Any

import pytest

from aiotls import ClientAuth, ClientConfig, ProtocolError, ServerConfig
from aiotls.enums import Alert, ProtocolVersion
from aiotls.wire import messages as msg
from tests import certificates
from tests.engine.pair import connect

TLS12, TLS13 = ProtocolVersion.TLSv1_2, ProtocolVersion.TLSv1_3
BY_THE_SERVER = [
    (TLS13, msg.ServerHello),
    (TLS13, msg.EncryptedExtensions),
    (TLS13, msg.CertificateRequest),
    (TLS13, msg.Certificate),
    (TLS13, msg.CertificateVerify),
    (TLS13, msg.Finished),
    (TLS12, msg.ServerHello),
    (TLS12, msg.Certificate12),
    (TLS12, msg.ServerKeyExchange),
    (TLS12, msg.CertificateRequest12),
    (TLS12, msg.ServerHelloDone),
    (TLS12, msg.NewSessionTicket12),
    (TLS12, msg.Finished),
]
BY_THE_CLIENT = [
    (TLS13, msg.ClientHello),
    (TLS13, msg.Certificate),
    (TLS13, msg.CertificateVerify),
    (TLS13, msg.Finished),
    (TLS12, msg.ClientHello),
    (TLS12, msg.Certificate12),
    (TLS12, msg.ClientKeyExchange),
    (TLS12, msg.CertificateVerify),
    (TLS12, msg.Finished),
]


@pytest.mark.parametrize("size", [131_073, (1 << 24) - 1])
@pytest.mark.parametrize(
    ("version", "kind", "by_client"),
    [(*row, False) for row in BY_THE_SERVER] + [(*row, True) for row in BY_THE_CLIENT],
)
def test_a_message_has_a_sane_length(
    client: ClientConfig,
    server: ServerConfig,
    version: ProtocolVersion,
    kind: type[msg.Message],
    by_client: bool,
    size: int,
) -> None:
    sent = 0

    def announce(message: msg.Message) -> Any:
        nonlocal sent
        if not isinstance(message, kind):
            return message
        sent += 1
        return bytes([kind.type]) + size.to_bytes(3, "big") + bytes(100)

    client = client.replace(max_version=version, identity=certificates.leaf("client").identity)
    server = server.replace(client_auth=ClientAuth.OPTIONAL, trust=certificates.authority().trust)
    if by_client:
        error = connect(client, server, client_sends=announce).server_error
    else:
        error = connect(client, server, server_sends=announce).client_error
    assert sent
    assert isinstance(error, ProtocolError)
    assert error.alert == Alert.ILLEGAL_PARAMETER
    assert error.reason == "EXCESSIVE_MESSAGE_SIZE"
