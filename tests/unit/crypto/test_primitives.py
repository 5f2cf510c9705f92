"""The seam at which a handshake is recorded and replayed."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import ed25519, x25519

from aiotls.crypto.groups import KeyExchange, MontgomeryKeyExchange
from aiotls.crypto.primitives import PRIMITIVES, Primitives
from aiotls.crypto.signatures import PrivateKey
from aiotls.enums import NamedGroup, SignatureScheme


class Recorded(Primitives):
    """Hands out the same results each time."""

    def generate(self, group: int) -> KeyExchange:
        return MontgomeryKeyExchange(
            group, x25519.X25519PrivateKey.from_private_bytes(bytes(range(32)))
        )

    def respond(self, group: int, peer_share: bytes) -> tuple[bytes, bytes]:
        exchange = self.generate(group)
        return exchange.share, exchange.agree(peer_share)

    def sign(self, private_key: PrivateKey, scheme: int, data: bytes) -> bytes:
        return b"the signature of then"


def test_a_subclass_replaces_all_that_cannot_be_foretold() -> None:
    recorded: Primitives = Recorded()
    first, second = (recorded.generate(NamedGroup.X25519) for _ in range(2))
    assert first.share == second.share
    share = PRIMITIVES.generate(NamedGroup.X25519).share
    assert recorded.respond(NamedGroup.X25519, share) == recorded.respond(NamedGroup.X25519, share)
    key = ed25519.Ed25519PrivateKey.generate()
    assert recorded.sign(key, SignatureScheme.ed25519, b"") == b"the signature of then"
