"""A world without chance: the same input gives the same handshake, byte for byte.

The certificates lie beside this file (made by ``python -m tests.fuzz.seeds --credentials``), the
clock stands still, random numbers are counted, key pairs are fixed, and ECDSA signs by RFC 6979.
So a finding can be replayed from its input alone.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, x25519

from aiotls import ClientConfig, Identity, ServerConfig, TLSConnection, TrustStore
from aiotls.config import ClientAuth, Config
from aiotls.crypto import groups
from aiotls.crypto.primitives import Primitives
from aiotls.ech import ECHKeys
from aiotls.enums import NamedGroup, ProtocolVersion
from aiotls.sessions import MemoryReplayGuard, MemorySessionCache, Session, TicketKey, TicketKeyRing

HERE = Path(__file__).parent
NOW = 1_800_000_000.0


class Counted:
    """Random bytes that are none."""

    def __init__(self, seed: bytes) -> None:
        self._seed = seed
        self._count = 0

    def __call__(self, size: int) -> bytes:
        self._count += 1
        return hashlib.shake_128(self._seed + self._count.to_bytes(4, "big")).digest(size)


class Fixed(Primitives):
    """One key pair for each group, and signatures by RFC 6979."""

    __slots__ = ("_side",)

    def __init__(self, side: int) -> None:
        self._side = side

    def generate(self, group: int) -> groups.KeyExchange:
        if group == NamedGroup.X25519:
            key = x25519.X25519PrivateKey.from_private_bytes(bytes([7 + self._side]) * 32)
            return groups.MontgomeryKeyExchange(group, key)
        if group == NamedGroup.SECP256R1:
            secret = ec.derive_private_key(1234567 + self._side, ec.SECP256R1())
            return groups.WeierstrassKeyExchange(group, secret)
        raise AssertionError(f"no fixed key for {group}")

    def respond(self, group: int, peer_share: bytes) -> tuple[bytes, bytes]:
        own = self.generate(group)
        return own.share, own.agree(peer_share)

    def sign(self, private_key: Any, scheme: int, data: bytes) -> bytes:
        assert scheme == 0x0403, "the keys here are for ecdsa_secp256r1_sha256"
        signed: bytes = private_key.sign(
            data, ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
        )
        return signed


@cache
def credentials() -> tuple[TrustStore, Identity, Identity]:
    """The authority, a server for localhost, a client."""
    return (
        TrustStore.from_pem((HERE / "authority.pem").read_bytes()),
        Identity.from_pem((HERE / "server.pem").read_bytes()),
        Identity.from_pem((HERE / "client.pem").read_bytes()),
    )


def _common(side: int) -> dict[str, Any]:
    return {
        "clock": lambda: NOW,
        "random": Counted(bytes([side])),
        "primitives": Fixed(side),
        "key_log": None,
        "groups": (NamedGroup.X25519, NamedGroup.SECP256R1),
    }


class Unchanging:
    """A session cache that always has the same session, or none."""

    def __init__(self, session: Session | None) -> None:
        self.session = session

    def put(self, key: bytes, session: Session) -> None:
        """Keeps nothing."""

    def take(self, key: bytes) -> Session | None:
        return self.session


class _Clock:
    """For a replay guard, which says no for as long as it is young."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1000.0
        return self.now


SCENARIOS = (
    *("plain", "retry", "mutual", "resumed", "early", "plain12", "mutual12", "resumed12"),
    *("keys", "keys12", "ech", "ech_refused"),
)
"""New ones go to the end: the corpus knows them by their number."""


def ring() -> TicketKeyRing:
    """Ticket keys that never change."""
    key = TicketKey(b"n" * 16, b"k" * 32, NOW)
    return TicketKeyRing((key,), rotation=None, clock=lambda: NOW, random=Counted(b"t"))


def configs(scenario: str, session: Session | None = None) -> tuple[ClientConfig, ServerConfig]:
    """Both sides of a scenario; *session* is what the client has to resume."""
    trust, server_identity, client_identity = credentials()
    client: dict[str, Any] = {"key_shares": (NamedGroup.X25519,), "alpn_protocols": ("a", "b")}
    server: dict[str, Any] = {"ticket_keys": ring(), "alpn_protocols": ("b",)}
    if scenario.endswith("12"):
        client["max_version"] = ProtocolVersion.TLSv1_2
    if scenario.startswith("mutual"):
        client |= {"identity": client_identity, "post_handshake_auth": True}
        server |= {"trust": trust, "client_auth": ClientAuth.REQUIRED}
    if scenario.startswith("keys"):  # RFC 7250, on both sides
        client |= {
            "identity": client_identity,
            "show_raw_public_key": True,
            "raw_public_keys": [server_identity.raw_public_key],
            "post_handshake_auth": True,
        }
        server |= {
            "show_raw_public_key": True,
            "raw_public_keys": [client_identity.raw_public_key],
            "client_auth": ClientAuth.REQUIRED,
        }
    if scenario.startswith("ech"):
        known, other = ech_keys(1), ech_keys(2)
        client["ech"] = known.config_list
        server["ech_keys"] = known if scenario == "ech" else other
    if scenario in ("resumed", "early"):
        server |= {"max_early_data": 1 << 14, "replay_guard": MemoryReplayGuard(clock=_Clock())}
    client |= {"session_cache": Unchanging(session)}
    made = (
        ClientConfig(trust=trust, **(_common(0) | client)),
        ServerConfig(identity=server_identity, **(_common(1) | server)),
    )
    if scenario == "retry":
        return made[0], made[1].replace(groups=(NamedGroup.SECP256R1,), retry_cookie=True)
    return made


@cache
def ech_keys(number: int) -> ECHKeys:
    """Keys whose public name is the only one that the certificate has."""
    return ECHKeys.generate("localhost", random=Counted(bytes([number])))


@cache
def session_for(scenario: str) -> Session | None:
    """What a first handshake of this scenario has left to resume."""
    if not scenario.startswith(("resumed", "early")):
        return None
    from tests.engine.pair import connect

    kept = MemorySessionCache()
    client, server = configs(scenario)
    pair = connect(client.replace(session_cache=kept), server).check()
    pair.pump()
    ((*_, newest),) = kept._sessions.values()
    return newest


def fresh(scenario: str) -> tuple[Config, Config]:
    """Client and server at the beginning of their days."""
    return configs(scenario, session_for(scenario))


@cache
def client_hello() -> bytes:
    """The first message of the plain scenario's client."""
    client, _ = fresh("plain")
    return TLSConnection(client, "localhost").data_to_send()[5:]
