"""Keys that both sides were given by other means (RFC 8446, section 4.2.11; RFC 9258)."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..crypto.schedule13 import import_psk
from ..errors import UsageError


@dataclass(frozen=True, slots=True)
class ExternalPsk:
    """A key that both sides were given by other means (RFC 8446, section 4.2.11).

    *secret* needs the strength of a key, not of a password (RFC 9257, section 6).
    """

    identity: bytes
    """What the client sends in the clear to name it; 1 to 65,535 bytes."""

    secret: bytes = field(repr=False)
    """At least 16 bytes."""

    hash_name: str = "sha256"
    """``sha256`` or ``sha384``: the hash of the cipher suites that it can be used with."""

    imported: bool = False
    """Whether it was made by RFC 9258's importer."""

    def __post_init__(self) -> None:
        if not 1 <= len(self.identity) <= 65_535:
            raise UsageError("a pre-shared key's identity has 1 to 65535 bytes")
        if len(self.secret) < 16:
            raise UsageError("a pre-shared key of less than 16 bytes can be guessed (RFC 9257)")
        if self.hash_name not in ("sha256", "sha384"):
            raise UsageError(f"hash_name is sha256 or sha384, not {self.hash_name!r}")

    def derive(self, context: bytes = b"", target: str = "sha256") -> ExternalPsk:
        """The key that RFC 9258's importer makes of this one, for suites with the hash *target*.

        Both sides have to do it, with the same *context*; a key made this way can be used with
        TLS 1.3 alone, and with no other hash.
        """
        if target not in ("sha256", "sha384"):
            raise UsageError(f"target is sha256 or sha384, not {target!r}")
        identity, secret = import_psk(self.identity, self.secret, self.hash_name, context, target)
        return ExternalPsk(identity, secret, target, imported=True)
