"""The calls whose results cannot be foretold, gathered so that they can be replaced.

Everything else in a handshake follows from its inputs once ``clock`` and ``random`` are given.
Key generation, ML-KEM encapsulation and most signatures draw their own randomness inside
`cryptography`, so a recorder keeps their results, and a replay hands the same ones out again.
"""

from __future__ import annotations

from . import groups, signatures
from .groups import KeyExchange
from .signatures import PrivateKey


class Primitives:
    """Key generation, key agreement and signing. Subclass it to record or to replay."""

    __slots__ = ()

    def generate(self, group: int) -> KeyExchange:
        """A fresh key pair of a group: what a client offers, and both sides in TLS 1.2."""
        return groups.generate(group)

    def respond(self, group: int, peer_share: bytes) -> tuple[bytes, bytes]:
        """The server's share and the shared secret for a client's share (TLS 1.3).

        Raises ProtocolError for a share that is not valid.
        """
        return groups.respond(group, peer_share)

    def sign(self, private_key: PrivateKey, scheme: int, data: bytes) -> bytes:
        """A signature by a local key; raises UsageError where the key cannot make it."""
        return signatures.sign(private_key, scheme, data)


PRIMITIVES = Primitives()
"""The real ones."""
