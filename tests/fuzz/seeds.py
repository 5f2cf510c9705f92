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
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, pkcs12
from cryptography.x509 import ocsp

from aiotls import Identity, TLSConnection
from aiotls.compression import ALGORITHMS, compress
from aiotls.crypto import groups
from aiotls.delegation import DelegatedCredential
from aiotls.ech import ECHKeys
from aiotls.enums import GREASE_VALUES, ExtensionType, NamedGroup, SignatureScheme
from aiotls.handshake.ech import Sealed
from aiotls.identity import LocalSigner
from aiotls.wire import extensions as ext
from aiotls.wire.extensions import EXTENSIONS, Extensions
from aiotls.wire.messages import Certificate, CertificateEntry, ClientHello, Message
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
        .sign(leaf.signer.key, hashes.SHA256())
    )
    return response.public_bytes(Encoding.DER)


def make_list(issuer: x509.Certificate, serial: int) -> bytes:
    """A revocation list in the issuer's name; by a key of its own, as the issuer's is not kept."""
    now = datetime.datetime.fromtimestamp(world.NOW, datetime.UTC)
    day = datetime.timedelta(days=1)
    entry = x509.RevokedCertificateBuilder(serial, now - day)
    entry = entry.add_extension(x509.CRLReason(x509.ReasonFlags.key_compromise), critical=False)
    builder = x509.CertificateRevocationListBuilder(issuer.subject, now - day, now + day)
    builder = builder.add_extension(x509.CRLNumber(1), critical=False)
    builder = builder.add_revoked_certificate(entry.build())
    signed = builder.sign(certificates.key("p256", 99), hashes.SHA256())
    return signed.public_bytes(Encoding.DER)


PASS = 240
"""A decision that leaves a message as it is, and after the handshake moves bytes along."""

AFTERWARDS = {
    "data": b"\1\3abc",
    "answer": bytes([200, 2]) + b"ab",
    "key-update": bytes([8, 5, 24, 0, 0, 1, 0, PASS, 1, 1, 97]),
    "key-update-asked": bytes([8, 5, 24, 0, 0, 1, 1, PASS, 200, 1, 97]),
    "own-key-update": bytes([231, PASS, 1, 1, 97]),
    "split-message": bytes([8, 2, 24, 0, PASS, 8, 3, 0, 1, 1]),
    "hello-request": bytes([8, 4, 0, 0, 0, 0]),
    "hello-again": bytes([8, 4, 1, 0, 0, 0]),
    "ticket": bytes([8, 4, 4, 0, 0, 0]),
    "warning": bytes([2, 2, 1, 90]),
    "close": bytes([2, 2, 1, 0, PASS, 200, 1, 97]),
    "fatal": bytes([2, 2, 2, 40]),
    "change-cipher-spec": bytes([3, 1, 1]),
}
"""What a hostile side does when the handshake is over."""


REFUSALS = {
    "smtp": (
        b"554 no\r\n",
        b"220 mail\r\n250-mail\r\n250 SIZE\r\n",
        b"220-a\r\n220 b\r\n502 ?\r\n",
    ),
    "imap": (b"* BYE no\r\n", b"* OK [CAPABILITY IMAP4] imap\r\n* text\r\na1 BAD no\r\n"),
    "pop3": (b"-ERR no\r\n", b"+OK pop\r\n-ERR no\r\n", b"+OK pop\r\n+OK go\r\ninjected\r\n"),
    "ftp": (b"220-a\r\nb\r\n220 ftp\r\n534 no\r\n", b"421 busy\r\n"),
    "postgres": (b"N", b"E\0\0\0\x08no\0\0", b"?"),
    "ldap": (
        bytes.fromhex("300c02010178070a013504000400"),
        bytes.fromhex("30840000000c02010178070a010004000400"),
        bytes.fromhex("300c02010164070a010004000400"),
    ),
    "xmpp": (
        b"<stream:stream><stream:features></stream:features>",
        b"<stream:features><starttls/></stream:features><failure/></stream:stream>",
    ),
}
"""What a server says that does not come to TLS."""


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
    for index in (0, world.SCENARIOS.index("plain12")):
        for role in (0, 1):
            for name, content in AFTERWARDS.items():
                script = bytes([index, role]) + bytes([PASS]) * 16 + content + bytes([PASS])
                yield "handshake", f"{world.SCENARIOS[index]}-{role}-{name}", script
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
        for number, refusal in enumerate(REFUSALS[name]):
            yield "starttls", f"{name}-refused-{number}", bytes([index, 255]) + refusal
    for index in range(len(EXTENSIONS)):
        yield "extensions", f"row-{index}", bytes([index, 0, 2, 0, 0])
    body = Certificate(b"", tuple(map(CertificateEntry, server.chain))).encode()[4:]
    for algorithm in ALGORITHMS:
        yield "compression", algorithm.name.lower(), compress(algorithm, body).encode()[4:]
    hello = world.client_hello()
    first, rest = hello[:99], hello[99:]
    records = [b"\x16\x03\x01" + len(part).to_bytes(2, "big") + part for part in (first, rest)]
    yield "peek", "whole", b"\xff\xff\x16\x03\x01" + len(hello).to_bytes(2, "big") + hello
    yield "peek", "in-two", b"\0\x50" + b"".join(records)
    revoked = make_list(root, server.certificate.serial_number)
    yield "revocation", "signed", b"\0" + revoked
    yield "revocation", "believed", b"\3" + revoked
    yield "revocation", "of-nobody", b"\3" + make_list(root, 1)
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
    for index, group in enumerate(NamedGroup):
        if group not in groups.GROUPS:
            continue
        share = groups.generate(group).share
        yield "peers_values", f"share-{group.name.lower()}", bytes([0, index]) + share
        answer, _ = groups.respond(group, share)
        yield "peers_values", f"answer-{group.name.lower()}", bytes([1, index]) + answer
    assert isinstance(server.signer, LocalSigner)
    scheme = SignatureScheme.ecdsa_secp256r1_sha256
    signature = server.signer.sign(b"data", scheme)
    schemes = list(SignatureScheme)
    for version in (0, 1):
        for index, other in enumerate(schemes):
            if version == 0 or other == scheme:
                name = f"signature-{other.name.lower()}" + "-of-tls12" * (1 - version)
                yield "peers_values", name, bytes([2, index, version]) + signature
    spki = server.certificate.public_key().public_bytes(
        Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    )
    credential = DelegatedCredential(86_400, scheme, spki, scheme, signature)
    yield "peers_values", "credential", b"\3" + credential.encode()


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
