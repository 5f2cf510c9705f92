"""What must not be seen, and what must not be kept."""

from __future__ import annotations

import dataclasses
import gc
import importlib
import logging
import pkgutil
import re
import traceback
import types
from typing import Any

import pytest

import aiotls
from aiotls import ClientConfig, Identity, ServerConfig, TLSConnection, TrustStore
from aiotls.config import ClientAuth, ExternalPsk
from aiotls.enums import NamedGroup, ProtocolVersion
from aiotls.errors import ProtocolError
from aiotls.sessions import MemorySessionCache, TicketKey, TicketKeyRing
from aiotls.wire.messages import (
    Certificate,
    CertificateVerify,
    EncryptedExtensions,
    Finished,
    Message,
    ServerHello,
)
from tests.engine.pair import Pair, connect

SEALED = ("Opener13", "Sealer13")
KINDS = ("tls13", "tls12", "retry", "mutual", "resumed", "resumed12")
KEPT = {"CLIENT_TRAFFIC_SECRET_0", "SERVER_TRAFFIC_SECRET_0", "EXPORTER_SECRET", "CLIENT_RANDOM"}
"""What a connection needs as long as it lives (RFC 8446, sections 7.2 and 7.5; in TLS 1.2 the
master secret, for exporters)."""


def reachable(*roots: object) -> list[Any]:
    """All objects that *roots* keep alive, but for code and types."""
    code = (types.ModuleType, type, types.FunctionType, types.BuiltinFunctionType, types.CodeType)
    seen: dict[int, Any] = {}
    queue: list[Any] = list(roots)
    while queue:
        item = queue.pop()
        if id(item) in seen or isinstance(item, code):
            continue
        seen[id(item)] = item
        queue += gc.get_referents(item)
    return list(seen.values())


def run(
    kind: str,
    client: ClientConfig,
    server: ServerConfig,
    client_identity: Identity,
    client_trust: TrustStore,
) -> tuple[Pair, dict[str, bytes]]:
    """A handshake of this kind, and the secrets in its key log."""
    secrets: dict[str, bytes] = {}

    def note(line: str) -> None:
        label, _, secret = line.split()
        secrets[label] = bytes.fromhex(secret)

    if kind.endswith("12"):
        client = client.replace(max_version=ProtocolVersion.TLSv1_2)
    if kind == "retry":
        server = server.replace(groups=[NamedGroup.SECP521R1])
    if kind == "mutual":
        client = client.replace(identity=client_identity)
        server = server.replace(trust=client_trust, client_auth=ClientAuth.REQUIRED)
    client = client.replace(session_cache=MemorySessionCache())
    if kind.startswith("resumed"):
        connect(client, server).check()
    pair = connect(client.replace(key_log=note), server).check()
    assert pair.client.established is not None
    assert pair.client.established.resumed is kind.startswith("resumed")
    return pair, secrets


def hidden(text: str, secrets: list[bytes]) -> None:
    for secret in secrets:
        for form in (secret.hex(), repr(secret)[2:-1], repr(bytearray(secret))[12:-2]):
            assert form not in text


@pytest.mark.parametrize("kind", KINDS)
def test_no_repr_shows_a_secret(
    kind: str,
    client: ClientConfig,
    server: ServerConfig,
    client_identity: Identity,
    client_trust: TrustStore,
) -> None:
    """Of anything of the package's that a connection holds."""
    pair, secrets = run(kind, client, server, client_identity, client_trust)
    for end in (pair.client, pair.server):
        end.write(b"a password")
    pair.pump()
    assert pair.client.readable
    assert pair.server.readable
    known = [*secrets.values(), b"a password"]
    known += [
        value
        for end in (pair.client, pair.server)
        if end.established is not None
        for value in (end.established.resumption_secret, end.established.exporter_secret)
        if value
    ]
    count = 0
    for item in reachable(pair.client, pair.server):
        if type(item).__module__.startswith("aiotls"):
            hidden(repr(item), known)
            hidden(str(item), known)
            count += 1
    assert count > 10


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_not_needed_any_more_is_gone(
    kind: str,
    client: ClientConfig,
    server: ServerConfig,
    client_identity: Identity,
    client_trust: TrustStore,
) -> None:
    """The handshake's traffic secrets live as long as the handshake."""
    pair, secrets = run(kind, client, server, client_identity, client_trust)
    dropped = {label: secret for label, secret in secrets.items() if label not in KEPT}
    assert bool(dropped) is not kind.endswith("12")
    for end in (pair.client, pair.server):
        alive = {bytes(i) for i in reachable(end) if isinstance(i, (bytes, bytearray))}
        kept = {label for label, secret in secrets.items() if secret in alive}
        assert kept
        assert not kept & set(dropped), end
    established = pair.server.established
    assert established is not None
    assert not established.resumption_secret  # the tickets are out


def test_a_key_update_leaves_no_old_secret(client: ClientConfig, server: ServerConfig) -> None:
    """RFC 8446, section 7.2: what follows from the old one is no use without it."""
    secrets: dict[str, bytes] = {}

    def note(line: str) -> None:
        label, _, secret = line.split()
        secrets[label] = bytes.fromhex(secret)

    pair = connect(client.replace(key_log=note), server).check()
    pair.client.key_update(request_peer=True)
    pair.pump()
    pair.server.write(b"answer")
    pair.pump()
    assert pair.check().client.read() == b"answer"
    for end in (pair.client, pair.server):
        alive = {bytes(i) for i in reachable(end) if isinstance(i, (bytes, bytearray))}
        assert secrets["CLIENT_TRAFFIC_SECRET_0"] not in alive
        assert secrets["SERVER_TRAFFIC_SECRET_0"] not in alive


def test_errors_and_logs_show_no_plaintext(
    client: ClientConfig, server: ServerConfig, caplog: pytest.LogCaptureFixture
) -> None:
    """A connection that fails after it has carried data."""
    secrets: list[bytes] = [b"hunter2hunter2"]
    caplog.set_level(logging.DEBUG)
    note = lambda line: secrets.append(bytes.fromhex(line.split()[2]))  # noqa: E731
    pair = connect(client.replace(key_log=note), server).check()
    pair.client.write(b"hunter2hunter2")
    record = bytearray(pair.client.data_to_send())
    pair.server.receive_data(bytes(record))
    record[-1] ^= 1
    with pytest.raises(ProtocolError) as caught:
        pair.server.receive_data(bytes(record))
    text = "".join(traceback.format_exception(caught.value))
    hidden(text + repr(pair.server) + repr(caught.value) + caplog.text, secrets)


STEPS: tuple[tuple[str, type[Message]], ...] = (
    ("client", ServerHello),
    ("client", EncryptedExtensions),
    ("client", Certificate),
    ("client", CertificateVerify),
    ("client", Finished),
    ("server", Finished),
)


def forget_where(error: BaseException | None) -> None:
    """Drops the tracebacks of an error and of those that led to it."""
    while error is not None:
        error = error.with_traceback(None).__context__


@pytest.mark.parametrize(
    ("victim", "step"), STEPS, ids=[f"{step.__name__} to the {victim}" for victim, step in STEPS]
)
def test_a_failed_handshake_keeps_no_secret(
    client: ClientConfig, server: ServerConfig, victim: str, step: type[Message]
) -> None:
    """Neither in the frames of its error's traceback nor anywhere in the dead connection."""
    secrets: dict[str, bytes] = {}

    def note(line: str) -> None:
        label, _, secret = line.split()
        secrets[label] = bytes.fromhex(secret)

    def spoil(message: Message) -> Message | bytes:
        raw = message.encode()
        if not isinstance(message, step):
            return message
        return raw[:1] + (len(raw) - 3).to_bytes(3, "big") + raw[4:] + b"\0"

    spoiled: dict[str, Any] = {"server_sends" if victim == "client" else "client_sends": spoil}
    pair = connect(client.replace(key_log=note), server, **spoiled)
    dead = pair.client if victim == "client" else pair.server
    error = pair.client_error if victim == "client" else pair.server_error
    assert isinstance(error, ProtocolError)
    own = [
        frame
        for frame, _ in traceback.walk_tb(error.__traceback__)
        if frame.f_globals["__name__"].startswith("aiotls.")
    ]
    names = [frame.f_code.co_name for frame in own]
    assert "recv" in names, "where it happened is still told"
    kept = [frame for frame in own if frame.f_locals and "self" not in frame.f_locals]
    assert not kept
    forget_where(error)  # frames lead to this test, which holds the other side
    alive = {bytes(i) for i in reachable(dead) if isinstance(i, (bytes, bytearray))}
    assert not [label for label, secret in secrets.items() if secret in alive]


def test_a_connection_that_failed_later_has_no_keys(
    client: ClientConfig, server: ServerConfig
) -> None:
    pair = connect(client, server).check()
    pair.client.write(b"data")
    record = bytearray(pair.client.data_to_send())
    record[-1] ^= 1
    keys = {id(o) for o in reachable(pair.server) if type(o).__name__ in SEALED}
    assert len(keys) == 2
    with pytest.raises(ProtocolError):
        pair.server.receive_data(bytes(record))
    assert not [o for o in reachable(pair.server) if type(o).__name__ in SEALED]
    assert pair.server.data_to_send(), "the alert was sealed before"


def test_an_application_s_own_frames_are_left_alone(
    client: ClientConfig, server: ServerConfig
) -> None:
    """Who debugs a hook of its own finds its variables."""

    def verify(peer: object) -> None:
        found = "what was found"
        raise RuntimeError(f"no: {len(found)}")

    pair = connect(client.replace(verify=verify), server)
    assert pair.client_error is not None
    cause = pair.client_error.__cause__
    assert isinstance(cause, RuntimeError)
    frames = [frame for frame, _ in traceback.walk_tb(cause.__traceback__)]
    assert frames[-1].f_locals["found"] == "what was found"
    assert not [f for f in frames[:-1] if f.f_locals and "self" not in f.f_locals]


def test_keys_of_the_configuration_are_not_shown(
    client: ClientConfig, server: ServerConfig
) -> None:
    secret = b"the secret of thirty-two octets!"
    ring = TicketKeyRing((TicketKey(b"n" * 16, secret, 0.0),), rotation=None)
    configs = (
        client.replace(psks=[ExternalPsk(b"a key", secret)]),
        server.replace(ticket_keys=ring),
    )
    for config in configs:
        for item in reachable(config, TLSConnection(config, _name(config))):
            if type(item).__module__.startswith("aiotls"):
                hidden(repr(item), [secret])


def _name(config: ClientConfig | ServerConfig) -> str | None:
    return "localhost" if isinstance(config, ClientConfig) else None


SECRET = re.compile(r"secret|private|password|passphrase|\bkeys?$|_key$|nonce|\biv$|payload")
"""What fields are called that may hold a key, or the data itself."""
OPEN = frozenset(
    {
        ("Sealed", "payload"),  # as it is on the wire, encrypted
        ("NewSessionTicket", "nonce"),
        ("RawPublicKey12", "key"),
    }
)


def dataclasses_of_the_package() -> list[type]:
    found: list[type] = []
    for module in pkgutil.walk_packages(aiotls.__path__, "aiotls."):
        if module.name.endswith("__main__") or ".contrib" in module.name:
            continue
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, type) and value.__module__ == module.name:
                if dataclasses.is_dataclass(value):
                    found.append(value)
    return found


def test_no_class_of_the_package_shows_a_field_that_holds_a_secret() -> None:
    """Every dataclass there is, the ones of tomorrow as well: what sounds like a key is not in
    its repr.
    """
    shown = []
    classes = [
        kind
        for kind in dataclasses_of_the_package()
        # a repr of its own has no __wrapped__, and is for the tests above to look at
        if hasattr(kind.__dict__.get("__repr__"), "__wrapped__")
    ]
    assert len(classes) > 60
    for kind in classes:
        for item in dataclasses.fields(kind):
            if not item.repr or "bytes" not in str(item.type) or "public" in item.name:
                continue  # numbers tell nothing, and keys of cryptography's do not show themselves
            if SECRET.search(item.name) and (kind.__name__, item.name) not in OPEN:
                shown.append(f"{kind.__module__}.{kind.__name__}.{item.name}")
    assert shown == []
