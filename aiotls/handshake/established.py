"""What a handshake hands over when it is done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..enums import EarlyData, ProtocolVersion

if TYPE_CHECKING:
    from ..crypto.suites import Suite
    from ..identity import Identity
    from .auth import Peer
    from .transcript import Transcript


@dataclass(slots=True, kw_only=True, repr=False, eq=False)
class Established:
    """The outcome of a handshake, the same for both roles. Nothing of it changes any more; it is
    not frozen because that would be most of the price of making one.
    """

    version: ProtocolVersion
    suite: Suite
    group: int | None
    """The key exchange that was used; None where a pre-shared key alone gave the secret."""

    alpn: bytes | None
    server_name: str | None
    """The name the client asked for."""

    peer: Peer | None
    """None when the other side showed no certificate."""

    identity: Identity | None
    """What this side showed."""

    scheme: int | None
    """What this side signed with."""

    exporter_secret: bytes
    """In TLS 1.2: the master secret."""

    resumption_secret: bytes = b""
    """In TLS 1.3: what the secrets of tickets are made from."""

    randoms: tuple[bytes, bytes] = (b"", b"")
    """In TLS 1.2: the client's and the server's, for exporters."""

    extended_master_secret: bool = True
    """Whether the secret is bound to the whole handshake (RFC 7627); in TLS 1.3 always."""

    first_finished: bytes = b""
    """In TLS 1.2: the first Finished of the two, which tls-unique is (RFC 5929, section 3.1)."""

    resumed: bool = False
    """Whether a session was resumed."""

    psk_identity: bytes | None = None
    """The identity of the key agreed on elsewhere that was taken (:class:`.ExternalPsk`)."""

    began: float | None = None
    """When the full handshake was that a resumed session goes back to; None: this one is it."""

    client_shows_raw_key: bool = False
    """Whether the client, when it is asked, shows a key and no certificate (RFC 7250)."""

    transcript: Transcript | None = None
    """In TLS 1.3, where the client may be asked for its certificate later: what binds that."""

    early_data_status: EarlyData = EarlyData.DISABLED
    """What became of 0-RTT data, and why."""

    early_data_sent: int = 0
    """On a client: how many bytes of it."""

    retried: bool = False
    """Whether there was a HelloRetryRequest."""

    ech: bool = False
    """Whether the ClientHello that counts was encrypted (RFC 9849)."""

    retry_configs: bytes | None = None
    """On a client whose ClientHello the server could not decrypt: what it said to use."""

    @property
    def early_data(self) -> bool:
        """Whether 0-RTT data was accepted."""
        return self.early_data_status is EarlyData.ACCEPTED
