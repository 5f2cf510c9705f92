"""What a handshake hands over when it is done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..enums import ProtocolVersion

if TYPE_CHECKING:
    from ..crypto.suites import Suite
    from ..identity import Identity
    from .auth import Peer


@dataclass(frozen=True, slots=True, kw_only=True)
class Established:
    """The outcome of a handshake, the same for both roles."""

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
    resumption_secret: bytes
    retried: bool = False
    """Whether there was a HelloRetryRequest."""
