"""The traffic secrets of a TLS 1.3 handshake: RFC 8446, section 7.1.

Both sides derive the same ones at the same points of the transcript, and put them into the key
log under the labels of NSS.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ..crypto.schedule13 import HandshakeSecret, MasterSecret
    from .channel import Channel


class Traffic(NamedTuple):
    """What protects the records of each side."""

    client: bytes
    server: bytes


def handshake_traffic(channel: Channel, secret: HandshakeSecret) -> Traffic:
    """What protects the rest of the handshake; the transcript ends with the ServerHello."""
    digest = channel.transcript.digest()
    traffic = Traffic(secret.client_traffic(digest), secret.server_traffic(digest))
    if channel.config.key_log is not None:
        channel.log_secret("SERVER_HANDSHAKE_TRAFFIC_SECRET", traffic.server)
        channel.log_secret("CLIENT_HANDSHAKE_TRAFFIC_SECRET", traffic.client)
    return traffic


def application_traffic(channel: Channel, master: MasterSecret) -> tuple[Traffic, bytes]:
    """What protects application data, and the exporter secret; the transcript ends with the
    server's Finished.
    """
    digest = channel.transcript.digest()
    traffic = Traffic(master.client_traffic(digest), master.server_traffic(digest))
    exporter = master.exporter(digest)
    if channel.config.key_log is not None:
        channel.log_secret("CLIENT_TRAFFIC_SECRET_0", traffic.client)
        channel.log_secret("SERVER_TRAFFIC_SECRET_0", traffic.server)
        channel.log_secret("EXPORTER_SECRET", exporter)
    return traffic, exporter
