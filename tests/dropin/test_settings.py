"""What settings do to a connection, with the standard library's ssl as the control."""

from __future__ import annotations

import copy
import datetime
import hashlib
import ipaddress
import pickle
import ssl
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID

from tests import certificates
from tests.unit.test_revocation import revocation_list

from .engines import CONTROL, OURS, Files, client_context, module, server_context
from .test_context import Pair, write

BOTH = pytest.mark.parametrize("engine", [CONTROL, OURS])
OF_OPENSSL_3 = pytest.mark.skipif(ssl.OPENSSL_VERSION_INFO < (3,), reason="OpenSSL 3 as control")


def bare_client(engine: str) -> Any:
    return module(engine).SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def pem(thing: Any) -> bytes:
    data: bytes = thing.public_bytes(serialization.Encoding.PEM)
    return data


def verify_code(client: Any, server: Any) -> int:
    """0 if the handshake succeeds, OpenSSL's code for why the server was refused if not."""
    try:
        Pair(client, server).shake_hands()
    except ssl.SSLCertVerificationError as error:
        return error.verify_code
    return 0


# -- anchors ---------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("form", ["cafile", "PEM", "DER", "two of DER"])
def test_anchors_from_files_and_data(engine: str, form: str, files: Files) -> None:
    text = Path(files.ca).read_text()
    der = ssl.PEM_cert_to_DER_cert(text)
    stranger = ssl.PEM_cert_to_DER_cert(Path(files.stranger).read_text())
    client, server = bare_client(engine), server_context(engine, files)
    assert verify_code(client, server) == 20
    client = bare_client(engine)
    if form == "cafile":
        client.load_verify_locations(files.ca)
    else:
        data = {"PEM": text, "DER": der, "two of DER": stranger + der}[form]
        client.load_verify_locations(cadata=data)
    loaded = 2 if form == "two of DER" else 1
    assert client.cert_store_stats() == {"x509": loaded, "crl": 0, "x509_ca": loaded}
    assert der in client.get_ca_certs(binary_form=True)
    assert verify_code(client, server) == 0


def test_the_authorities_are_described_alike(files: Files) -> None:
    answers = []
    for engine in (CONTROL, OURS):
        client = bare_client(engine)
        client.load_verify_locations(files.ca)
        answers.append((client.get_ca_certs(), client.get_ca_certs(True)))
    assert answers[0] == answers[1]


def name_hash(common_name: str) -> int:
    """By what c_rehash(1) names files: of a subject of one word in small letters."""
    value = common_name.encode()
    pair = b"\x06\x03\x55\x04\x03\x0c" + bytes((len(value),)) + value  # id-at-commonName
    sequence = b"\x30" + bytes((len(pair),)) + pair
    canonical = b"\x31" + bytes((len(sequence),)) + sequence
    return int.from_bytes(hashlib.sha1(canonical).digest()[:4], "little")


@BOTH
def test_anchors_from_a_hashed_directory(engine: str, files: Files, tmp_path: Path) -> None:
    """c_rehash(1): a file is found by the hash of its subject, and only when it is needed."""
    text = Path(files.ca).read_bytes()
    number = name_hash("aiotls test root")
    (tmp_path / f"{number:08x}.0").write_bytes(text)
    client, server = bare_client(engine), server_context(engine, files)
    client.load_verify_locations(capath=tmp_path)
    assert client.cert_store_stats()["x509"] == 0
    assert verify_code(client, server) == 0
    assert client.cert_store_stats()["x509"] == 1


@BOTH
def test_default_anchors_come_from_the_environment(
    engine: str, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", files.ca)
    client, server = bare_client(engine), server_context(engine, files)
    client.load_default_certs()
    assert verify_code(client, server) == 0


@BOTH
@pytest.mark.parametrize("data", ["", b""])
def test_no_data_is_a_mistake(engine: str, data: Any) -> None:
    with pytest.raises(ValueError, match="Empty certificate data"):
        bare_client(engine).load_verify_locations(cadata=data)


# -- verify_flags ----------------------------------------------------------------------------------


@BOTH
@OF_OPENSSL_3
def test_strict(engine: str, tmp_path: Path) -> None:
    """RFC 5280, section 4.2.1.1: certificates have an authorityKeyIdentifier."""
    plain = certificates.leaf("localhost", identifier=False)
    server = module(engine).SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(write(tmp_path / "server.pem", plain.chain_pem))
    client = bare_client(engine)
    client.verify_flags &= ~ssl.VERIFY_X509_STRICT
    client.load_verify_locations(cadata=certificates.authority().pem.decode())
    assert verify_code(client, server) == 0
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    assert verify_code(client, server) != 0


@BOTH
@pytest.mark.parametrize(
    ("flag", "revoked", "code"),
    [
        ("VERIFY_CRL_CHECK_LEAF", "nothing", 0),
        ("VERIFY_CRL_CHECK_LEAF", "the leaf", 23),
        ("VERIFY_CRL_CHECK_LEAF", "the intermediate", 0),
        ("VERIFY_CRL_CHECK_CHAIN", "nothing", 0),
        ("VERIFY_CRL_CHECK_CHAIN", "the leaf", 23),
        ("VERIFY_CRL_CHECK_CHAIN", "the intermediate", 23),
        ("VERIFY_DEFAULT", "the leaf", 0),
    ],
)
def test_revocation(engine: str, flag: str, revoked: str, code: int, tmp_path: Path) -> None:
    root, middle = certificates.authority(), certificates.intermediate()
    leaf = certificates.leaf("localhost", issuer=middle)
    lists = (
        revocation_list(middle, *([leaf] if revoked == "the leaf" else [])),
        revocation_list(root, *([middle] if revoked == "the intermediate" else [])),
    )
    server = module(engine).SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(write(tmp_path / "server.pem", leaf.chain_pem))
    client = bare_client(engine)
    client.load_verify_locations(write(tmp_path / "ca.pem", b"".join((root.pem, *map(pem, lists)))))
    assert client.cert_store_stats()["crl"] == 2
    client.verify_flags |= getattr(ssl, flag)
    assert verify_code(client, server) == code


# -- keys and callbacks ----------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize(
    "password",
    ["secret", b"secret", bytearray(b"secret"), lambda: "secret", lambda: b"secret"],
    ids=["str", "bytes", "bytearray", "callback of str", "callback of bytes"],
)
def test_encrypted_keys(engine: str, password: Any, files: Files, tmp_path: Path) -> None:
    leaf = certificates.leaf("localhost")
    certfile = write(tmp_path / "chain.pem", leaf.chain_pem.split(b"-----BEGIN PRIV")[0])
    keyfile = write(tmp_path / "key.pem", certificates.key_pem(leaf.key, b"secret"))
    server = module(engine).SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with pytest.raises(ssl.SSLError):
        server.load_cert_chain(certfile, keyfile, "wrong")
    with pytest.raises(TypeError):
        server.load_cert_chain(certfile, keyfile, lambda: 3)
    with pytest.raises(ValueError, match="longer than"):
        server.load_cert_chain(certfile, keyfile, "x" * 102400)
    with pytest.raises(ZeroDivisionError):
        server.load_cert_chain(certfile, keyfile, lambda: 1 // 0)
    server.load_cert_chain(certfile, keyfile, password)
    assert verify_code(client_context(engine, files), server) == 0


# -- contexts as objects ---------------------------------------------------------------------------


@BOTH
def test_contexts_are_not_copied(engine: str, files: Files) -> None:
    context = client_context(engine, files)
    for copying in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            copying(context)


@BOTH
def test_classes_of_the_applications_own(engine: str, files: Files) -> None:
    base = module(engine)

    class Socketlike(base.SSLObject):  # type: ignore[misc, name-defined]
        pass

    class Context(base.SSLContext):  # type: ignore[misc, name-defined]
        sslobject_class = Socketlike
        note: str

    context = Context(ssl.PROTOCOL_TLS_CLIENT)
    context.note = "kept"
    context.load_verify_locations(files.ca)
    pair = Pair(context, server_context(engine, files)).shake_hands()
    assert type(pair.client) is Socketlike
    assert pair.client.context is context
    assert context.note == "kept"


@BOTH
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("options", "x"),
        ("verify_mode", "x"),
        ("verify_flags", "x"),
        ("minimum_version", "x"),
        ("maximum_version", "x"),
    ],
)
def test_settings_of_another_type(engine: str, name: str, value: Any, files: Files) -> None:
    context = client_context(engine, files)
    before = getattr(context, name)
    with pytest.raises(TypeError):
        setattr(context, name, value)
    assert getattr(context, name) == before


@pytest.mark.parametrize("group", ["prime256v1", "secp384r1", "X25519"])
def test_the_curve_is_the_one_that_was_set(group: str, files: Files) -> None:
    client, server = client_context(OURS, files), server_context(OURS, files)
    server.set_ecdh_curve(group)
    agreed = Pair(client, server).shake_hands().client.group()
    assert agreed == {"prime256v1": "secp256r1"}.get(group, group)
    client.set_ecdh_curve("secp521r1")
    with pytest.raises(ssl.SSLError):
        Pair(client, server).shake_hands()


@BOTH
def test_ciphers_act(engine: str, files: Files) -> None:
    client, server = client_context(engine, files), server_context(engine, files)
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    server.set_ciphers("ECDHE-ECDSA-AES256-GCM-SHA384")
    assert Pair(client, server).shake_hands().client.cipher() == (
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "TLSv1.2",
        256,
    )
    client.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256")
    with pytest.raises(ssl.SSLError):
        Pair(client, server).shake_hands()


@BOTH
@pytest.mark.parametrize("side", ["client", "server"])
def test_no_tickets_by_option(engine: str, side: str, files: Files) -> None:
    """SSL_OP_NO_TICKET: what cannot be kept at the client is not resumed with TLS 1.2."""
    client, server = client_context(engine, files), server_context(engine, files)
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    context = client if side == "client" else server
    context.options |= ssl.OP_NO_TICKET
    session = Pair(client, server).shake_hands().client.session
    assert not session.has_ticket


@BOTH
@pytest.mark.parametrize("prefers", ["server", "client"])
def test_whose_order_of_ciphers_counts(engine: str, prefers: str, files: Files) -> None:
    client, server = client_context(engine, files), server_context(engine, files)
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    names = ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384"]
    client.set_ciphers(":".join(names))
    server.set_ciphers(":".join(reversed(names)))
    if prefers == "client":
        server.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    else:
        server.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
    cipher = Pair(client, server).shake_hands().client.cipher()
    assert cipher[0] == names[0 if prefers == "client" else 1]


# -- getpeercert -----------------------------------------------------------------------------------

URI = x509.UniformResourceIdentifier
DIRECTORY = x509.Name(
    [
        x509.NameAttribute(NameOID.COUNTRY_NAME, "CH"),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Zürich & Söhne"),
        x509.NameAttribute(NameOID.COMMON_NAME, "inner"),
    ]
)


def access(*uris: tuple[x509.ObjectIdentifier, str]) -> x509.AuthorityInformationAccess:
    return x509.AuthorityInformationAccess([x509.AccessDescription(o, URI(u)) for o, u in uris])


CORPUS: dict[str, list[x509.ExtensionType]] = {
    "addresses": [
        x509.SubjectAlternativeName(
            [
                x509.DNSName("localhost"),
                x509.IPAddress(ipaddress.ip_address("192.0.2.7")),
                x509.IPAddress(ipaddress.ip_address("2001:db8::ff")),
                x509.IPAddress(ipaddress.ip_address("::1")),
            ]
        )
    ],
    "names of every kind": [
        x509.SubjectAlternativeName(
            [
                x509.DNSName("localhost"),
                x509.DNSName("*.example.org"),
                x509.RFC822Name("a@example.org"),
                URI("https://example.org/x?y=1"),
                x509.RegisteredID(x509.ObjectIdentifier("1.2.3.4.5")),
                x509.DirectoryName(DIRECTORY),
            ]
        )
    ],
    "access and revocation": [
        x509.SubjectAlternativeName([x509.DNSName("localhost")]),
        access(
            (AuthorityInformationAccessOID.OCSP, "http://ocsp.example/"),
            (AuthorityInformationAccessOID.CA_ISSUERS, "http://ca.example/ca.crt"),
            (AuthorityInformationAccessOID.OCSP, "http://ocsp2.example/"),
        ),
        x509.CRLDistributionPoints(
            [
                x509.DistributionPoint(
                    [URI("http://crl.example/1"), URI("ldap:///x")], *[None] * 3
                ),
                x509.DistributionPoint([URI("http://crl.example/2")], *[None] * 3),
            ]
        ),
    ],
    "revocation by directory": [
        x509.SubjectAlternativeName([x509.DNSName("localhost")]),
        x509.CRLDistributionPoints(
            [x509.DistributionPoint([x509.DirectoryName(DIRECTORY)], *[None] * 3)]
        ),
    ],
}


@pytest.mark.parametrize("kind", CORPUS)
@pytest.mark.parametrize("far", [False, True], ids=["near", "far"])
def test_getpeercert_over_a_corpus(kind: str, far: bool, files: Files, tmp_path: Path) -> None:
    """The dict is the standard library's, whatever stands in the certificate."""
    root = certificates.authority()
    ends = datetime.datetime(2051, 7, 4, 5, 6, 7) if far else certificates.NOW + certificates.DAY
    key = certificates.key("p256")
    extensions: list[tuple[x509.ExtensionType, bool]] = [
        (x509.BasicConstraints(False, None), True),
        (x509.ExtendedKeyUsage([certificates.SERVER]), False),
        (certificates._authority_key_identifier(root), False),
        *((extension, False) for extension in CORPUS[kind]),
    ]
    issued = certificates.issue("localhost", key, root, extensions, ends=ends)
    path = write(tmp_path / "server.pem", issued.chain_pem)
    answers = []
    for engine in (CONTROL, OURS):
        server = server_context(engine, files, certfile=path)
        pair = Pair(client_context(engine, files), server).shake_hands()
        answers.append((pair.client.getpeercert(), pair.client.getpeercert(True)))
    assert answers[0] == answers[1]


@BOTH
def test_sessions_of_a_connection_that_failed_are_forgotten(engine: str, files: Files) -> None:
    """RFC 5246, section 7.2.2: by a server that keeps them itself."""
    client, server = client_context(engine, files), server_context(engine, files)
    for context in (client, server):
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_TICKET
    first = Pair(client, server).shake_hands()
    session = first.client.session
    second = Pair(client, server, session).shake_hands()
    assert second.client.session_reused
    second.client.write(b"data")
    record = bytearray(second.to_server.read())
    record[-1] ^= 1
    second.to_server.write(bytes(record))
    with pytest.raises(ssl.SSLError, match="DECRYPTION_FAILED_OR_BAD_RECORD_MAC"):
        second.server.read()
    assert not Pair(client, server, session).shake_hands().client.session_reused
