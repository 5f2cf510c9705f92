"""Makes what the fuzzer starts from: ``python -m tests.fuzz.seeds``, with --credentials for both.

The corpus is honest input of every kind, and one file for each finding, which is named for it and
which this program does not touch.
"""

from __future__ import annotations

import datetime
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, pkcs12
from cryptography.x509 import ocsp

from aiotls import Identity, TLSConnection
from aiotls.ech import ECHKeys
from aiotls.enums import GREASE_VALUES, ExtensionType
from aiotls.handshake.ech import Sealed
from aiotls.identity import LocalSigner
from aiotls.wire import extensions as ext
from aiotls.wire.extensions import Extensions
from aiotls.wire.messages import ClientHello, Message
from tests import certificates
from tests.engine.pair import Pair, mutate
from tests.fuzz import targets, world

BEGINS = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
ENDS = datetime.datetime(2126, 1, 1, tzinfo=datetime.UTC)


def make_credentials() -> None:
    """An authority of a hundred years and its two certificates."""
    times = {"begins": BEGINS, "ends": ENDS}
    root = certificates.authority("fuzz root", **times)
    (world.HERE / "authority.pem").write_bytes(root.pem)
    for name, host in (("server", "localhost"), ("client", "client")):
        number = 100 + len(name) + len(host)
        issued = certificates.leaf(host, issuer=root, number=number, **times)
        (world.HERE / f"{name}.pem").write_bytes(issued.chain_pem)


def make_staple(leaf: Identity, issuer: x509.Certificate) -> bytes:
    """An OCSP response that says that *leaf* is good, signed by its own key: the authority's was
    not kept, and the target can believe what it cannot verify.
    """
    assert isinstance(leaf.signer, LocalSigner)
    now = datetime.datetime.fromtimestamp(world.NOW, datetime.UTC)
    response = (
        ocsp.OCSPResponseBuilder()
        .add_response(
            cert=leaf.certificate,
            issuer=issuer,
            algorithm=hashes.SHA1(),
            cert_status=ocsp.OCSPCertStatus.GOOD,
            this_update=now,
            next_update=ENDS,
            revocation_time=None,
            revocation_reason=None,
        )
        .responder_id(ocsp.OCSPResponderEncoding.HASH, leaf.certificate)
        .certificates([issuer])
        .sign(leaf.signer.key, hashes.SHA256())  # type: ignore[arg-type]
    )
    return response.public_bytes(Encoding.DER)


def messages() -> Iterator[tuple[str, bool, bytes]]:
    """Every message of every scenario: scenario, whether a client sent it, the bytes."""
    for scenario in world.SCENARIOS:
        client, server = world.fresh(scenario)
        early = b"early" if scenario == "early" else b""
        pair = Pair(TLSConnection(client, "localhost", early_data=early), TLSConnection(server))
        seen: list[tuple[str, bool, bytes]] = []
        for end in (pair.client, pair.server):

            def note(message: Message, from_client: bool = end is pair.client) -> Message:
                seen.append((scenario, from_client, message.encode()))  # noqa: B023
                return message

            mutate(end, note)
        pair.pump()
        if scenario != "ech_refused":
            pair.check()
        yield from seen


def seeds() -> Iterator[tuple[str, str, bytes]]:
    """Target, name of the file, content."""
    kinds = list(targets.MESSAGES)
    done = set()
    for scenario, _, raw in messages():
        for index, kind in enumerate(kinds):
            name = f"{scenario}-{kind.__name__}"
            if (
                kind.type == raw[0]
                and name not in done
                and (kind.__name__[-2:] == "12")
                == (scenario.endswith("12") and kind.__name__ in targets.TWICE)
            ):
                done.add(name)
                yield "messages", name, bytes([index]) + raw[4:]
    for index, scenario in enumerate(world.SCENARIOS):
        for role in (0, 1):
            yield "handshake", f"{scenario}-{role}", bytes([index, role])
            yield "handshake", f"{scenario}-{role}-flip", bytes([index, role, 1, 0, 40, 255] * 2)
        yield "wire", scenario, bytes([index])
    yield "handshake", "post", bytes([0, 0]) + bytes(8) + bytes([7, 22, 5, 24, 0, 0, 1, 1])
    for scenario, name in (("mutual", "late"), ("keys", "late-keys")):
        yield (
            "handshake",
            name,
            bytes([world.SCENARIOS.index(scenario), 0])
            + bytes(12)
            + bytes([255, 0, 241, 255, 1, 0, 9, 1]),
        )
    yield "records", "whole", bytes([0, 23, 5]) + b"hello" + bytes([1, 22, 2]) + b"hi"
    trust, server, client = world.credentials()
    root = trust.certificates[0]
    chain = b"".join(len(der).to_bytes(2, "big") + der for der in server.chain)
    yield "path", "good", bytes([0]) + chain
    yield (
        "path",
        "client",
        bytes([1]) + b"".join(len(der).to_bytes(2, "big") + der for der in client.chain),
    )
    response = make_staple(server, root)
    yield "staple", "signed", b"\0" + response
    yield "staple", "believed", b"\1" + response
    for name in ("server", "client", "authority"):
        yield "pem", name, b"\0" + (world.HERE / f"{name}.pem").read_bytes()
    yield "pem", "trust", b"\1" + (world.HERE / "authority.pem").read_bytes()
    yield "der", "server", b"\0" + server.chain[0]
    leaf = certificates.leaf("localhost")
    from cryptography.hazmat.primitives.serialization import NoEncryption

    bundle = pkcs12.serialize_key_and_certificates(
        b"x", leaf.key, leaf.certificate, [root], NoEncryption()
    )
    yield "der", "pkcs12", b"\1" + bundle
    session = world.session_for("resumed")
    assert session is not None
    yield "tickets", "session", b"\0" + session.encode()
    yield "tickets", "ticket", b"\1" + session.ticket
    for index, (name, answer) in enumerate(targets.ANSWERS.items()):
        yield "starttls", name, bytes([index, 255]) + answer
    for index in range(len(targets.EXTENSIONS)):
        yield "extensions", f"row-{index}", bytes([index, 0, 2, 0, 0])
    yield "compression", "zlib", bytes.fromhex("0100000a789c2bc9c82c5600a2448592d4e21200")
    keys = ECHKeys.generate("public.example")
    yield "ech", "list", b"\0" + keys.config_list
    yield "ech", "pem", b"\1" + keys.to_pem()
    yield "ech", "sealed", b"\2" + Sealed(1, 1, 7, bytes(32), bytes(64)).encode()
    outer = ClientHello.parse(world.client_hello()[4:])
    own = {ExtensionType.SUPPORTED_VERSIONS, *GREASE_VALUES}
    referred = [kind for kind in outer.extensions.types if kind not in own]
    rows: list[tuple[Any, Any]] = [
        (ExtensionType.ECH_OUTER_EXTENSIONS, _references(referred)),
        (ExtensionType.ENCRYPTED_CLIENT_HELLO, b"\1"),
        (ext.SUPPORTED_VERSIONS, (0x0304,)),
    ]
    inner = replace(outer, session_id=b"", extensions=Extensions.build(rows))
    yield "ech", "inner", b"\3" + inner.encode()[4:] + bytes(8)
    yield "peers_values", "share", bytes([0]) + bytes(range(32))


def _references(kinds: list[int]) -> bytes:
    return bytes([2 * len(kinds)]) + b"".join(kind.to_bytes(2, "big") for kind in kinds)


def main() -> None:
    if "--credentials" in sys.argv:
        make_credentials()
    for target, name, content in seeds():
        directory = world.HERE / "corpus" / target
        directory.mkdir(parents=True, exist_ok=True)
        (directory / name).write_bytes(content)


if __name__ == "__main__":
    main()
