"""What users read when a handshake fails: the client's error, its hint, and the server's log line.

The first line is short and familiar; the hint says what was asked, what was found, and who can mend
it with which call. The server writes one line, with the client's address, and no traceback.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from typing import Any

import pytest

import aiotls
from aiotls import ClientConfig, Identity, ServerConfig, TrustStore
from aiotls.config import ClientAuth
from aiotls.enums import CipherSuite, NamedGroup, ProtocolVersion, SignatureScheme
from aiotls.trust.certificates import describe_time
from tests.asyncio_face.peers import HOST, echo, port_of, until
from tests.certificates import DAY, NOW, Issued, authority, intermediate, leaf

pytestmark = pytest.mark.asyncio

FORBIDDEN = ("dangerous", "insecure", "disable", "CERT_NONE", "verify=False", "verify=None")


@dataclass
class Case:
    """A client and a server that do not come together, and what is said of it."""

    text: str
    """``str(error)`` at the client."""
    hint: str
    """The client's hint, whole; a time of the clock's is {now}."""
    log: str
    """What the server's line says behind the address."""
    client: dict[str, Any] = field(default_factory=dict)
    server: dict[str, Any] = field(default_factory=dict)
    identity: Any = None
    name: str = "localhost"


def alone(issued: Issued) -> Identity:
    """A certificate without its issuers."""
    return Identity([issued.der], issued.key)


def trusting(*issued: Issued) -> TrustStore:
    return TrustStore([one.path[-1].certificate for one in issued])


TLS12 = {"max_version": ProtocolVersion.TLSv1_2}
TLS13 = {"min_version": ProtocolVersion.TLSv1_3}
REFUSED = "the peer ended the connection with the alert "
VERIFY = "certificate verify failed: "
expired = leaf("localhost", begins=NOW - 30 * DAY, ends=NOW - 3 * DAY)
early = leaf("localhost", begins=NOW + 3 * DAY, ends=NOW + 30 * DAY)
below = leaf("localhost", issuer=intermediate())
located = leaf("localhost", issuer=intermediate(), issuer_url="http://ca.example/intermediate.der")
own = leaf("localhost", self_signed=True)
foreign = leaf("client", issuer=authority("another"))
old = leaf("client", begins=NOW - 30 * DAY, ends=NOW - 3 * DAY)
CLIENT_FILES = 'ClientConfig(identity=Identity.from_files("client.pem", "client.key"))'
COMPANY = (
    "is an authority of your company or your own, trust it: "
    'ClientConfig(trust=TrustStore.from_files("ca.pem")), or SSL_CERT_FILE=ca.pem in the '
    "environment."
)
NOTHING_IN_COMMON = (
    "The server takes nothing of what this client offers with {versions}, or has no certificate "
    'for the name "localhost"; its log says which. ClientConfig({narrowed}) is less than the '
    "default: offer more."
)
ANOTHER_KEY = (
    "A second certificate with a key of another kind, ServerConfig(identities=[...]), serves both."
)

CASES = {
    "expired": Case(
        VERIFY + "certificate has expired",
        'The server\'s certificate, "localhost", expired 3 days ago '
        f"({describe_time(NOW - 3 * DAY)}). This machine's clock says {{now}}. The server's owner "
        "must renew it; if the clock is wrong, set it.",
        REFUSED + "certificate_expired. The client holds this server's certificate for expired: "
        "renew it, unless it is the client's clock that is wrong.",
        identity=expired.identity,
        client={"trust": expired.trust},
    ),
    "not yet valid": Case(
        VERIFY + "certificate is not yet valid",
        'The server\'s certificate, "localhost", is valid from '
        f"{describe_time(NOW + 3 * DAY)} on, 3 days from now by this machine's clock ({{now}}). "
        "A wrong clock is the usual cause.",
        REFUSED + "certificate_expired. The client holds this server's certificate for expired: "
        "renew it, unless it is the client's clock that is wrong.",
        identity=early.identity,
        client={"trust": early.trust},
    ),
    "wrong host": Case(
        VERIFY + "Hostname mismatch, certificate is not valid for 'localhost'.",
        'You asked for "localhost"; the certificate is for: other.example. If you meant that '
        'server, ask for it: server_hostname="other.example". Otherwise a proxy or a default '
        "virtual host may have answered in its place.",
        REFUSED + "bad_certificate. The client refused this server's certificate; its error says "
        "why. Often the name it asked for is not in the certificate.",
        identity=leaf("other.example").identity,
    ),
    "unknown authority": Case(
        VERIFY + "unable to get local issuer certificate",
        '"localhost" <- "aiotls test intermediate" <- "aiotls test root", which is not in your '
        'trust store, which has "another". The server sent 2 certificates, none of them "aiotls '
        'test root". If "aiotls test root" '
        + COMPANY
        + " If it is an intermediate authority that was "
        "not sent, its owner has to add it to the chain, in most places by serving fullchain.pem "
        "instead of cert.pem.",
        REFUSED + "unknown_ca. The client does not trust who issued this server's certificate: "
        "serve the full chain, with its intermediates, or have the client trust the authority.",
        identity=below.identity,
        client={"trust": trusting(authority("another"))},
    ),
    "unknown authority that the server sent": Case(
        VERIFY + "self-signed certificate in certificate chain",
        '"localhost" <- "aiotls test intermediate" <- "aiotls test root", which is not in your '
        'trust store, which has "another". If "aiotls test root" ' + COMPANY,
        REFUSED + "unknown_ca. The client does not trust who issued this server's certificate: "
        "serve the full chain, with its intermediates, or have the client trust the authority.",
        identity=Identity([one.der for one in below.path], below.key),
        client={"trust": trusting(authority("another"))},
    ),
    "intermediate missing": Case(
        VERIFY + "unable to get local issuer certificate",
        '"localhost" <- "aiotls test intermediate", which is not in your trust store, which has '
        '"aiotls test root". The server sent 1 certificate, none of them "aiotls test '
        'intermediate". An intermediate authority seems to be missing: its owner has to add it to '
        "the chain (http://ca.example/intermediate.der has it), in most places by serving "
        'fullchain.pem instead of cert.pem. If "aiotls test intermediate" ' + COMPANY,
        REFUSED + "unknown_ca. The client does not trust who issued this server's certificate: "
        "serve the full chain, with its intermediates, or have the client trust the authority.",
        identity=alone(located),
    ),
    "unknown authority, or an intermediate missing": Case(
        VERIFY + "unable to get local issuer certificate",
        '"localhost" <- "aiotls test intermediate", which is not in your trust store, which has '
        '"aiotls test root". The server sent 1 certificate, none of them "aiotls test '
        'intermediate". If "aiotls test intermediate" ' + COMPANY + " If it is an intermediate "
        "authority that was not sent, its owner has to add it to the chain, in most places by "
        "serving fullchain.pem instead of cert.pem.",
        REFUSED + "unknown_ca. The client does not trust who issued this server's certificate: "
        "serve the full chain, with its intermediates, or have the client trust the authority.",
        identity=alone(below),
    ),
    "self-signed": Case(
        VERIFY + "self-signed certificate",
        '"localhost" vouches for itself and is not in your trust store, which has "aiotls test '
        'root". Its SHA-256 fingerprint is {fingerprint}. If you know from elsewhere that this is '
        'right, trust this very certificate: TrustStore.from_files("server.pem", '
        'profile="private-pki"). If it is for all the world, its owner needs one from a public '
        "authority.",
        REFUSED + "unknown_ca. The client does not trust who issued this server's certificate: "
        "serve the full chain, with its intermediates, or have the client trust the authority.",
        identity=own.identity,
    ),
    "no common version, the server is old": Case(
        REFUSED + "protocol_version",
        "This client offers TLS 1.3, and the server speaks nothing of it. It may be limited to TLS "
        "1.2, which ClientConfig(min_version=ProtocolVersion.TLSv1_2) allows.",
        "no common version: the client offers TLS 1.3; this server speaks TLS 1.2. "
        "ServerConfig(max_version=ProtocolVersion.TLSv1_3) would let this client in.",
        client=TLS13,
        server=TLS12,
    ),
    "no common version, the client is old": Case(
        REFUSED + "protocol_version",
        "This client offers TLS 1.2, and the server speaks nothing of it. It may insist on TLS "
        "1.3, which ClientConfig(max_version=ProtocolVersion.TLSv1_3) offers.",
        "no common version: the client offers TLS 1.2; this server speaks TLS 1.3. "
        "ServerConfig(min_version=ProtocolVersion.TLSv1_2) would let this client in.",
        client=TLS12,
        server=TLS13,
    ),
    "no common suite": Case(
        REFUSED + "handshake_failure",
        NOTHING_IN_COMMON.format(
            versions="TLS 1.3", narrowed="cipher_suites=[TLS_AES_128_GCM_SHA256]"
        ),
        "no shared cipher: the client offers none of this server's cipher suites. The client "
        "offers TLS_AES_128_GCM_SHA256; this server takes TLS_AES_256_GCM_SHA384: "
        "ServerConfig(cipher_suites=).",
        client={"cipher_suites": [CipherSuite.TLS_AES_128_GCM_SHA256]},
        server={"cipher_suites": [CipherSuite.TLS_AES_256_GCM_SHA384]},
    ),
    "no common suite in TLS 1.2": Case(
        REFUSED + "handshake_failure",
        NOTHING_IN_COMMON.format(
            versions="TLS 1.2", narrowed="cipher_suites=[TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]"
        ),
        "no shared cipher: the client offers none of this server's cipher suites. The client "
        "offers TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256; this server takes "
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384: ServerConfig(cipher_suites=).",
        client={"cipher_suites": [CipherSuite.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256], **TLS12},
        server={"cipher_suites": [CipherSuite.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384], **TLS12},
    ),
    "no common group": Case(
        REFUSED + "handshake_failure",
        NOTHING_IN_COMMON.format(versions="TLS 1.3 and TLS 1.2", narrowed="groups=[X25519]"),
        "no common group for the key exchange. The client offers X25519; this server takes "
        "secp256r1: ServerConfig(groups=).",
        client={"groups": [NamedGroup.X25519]},
        server={"groups": [NamedGroup.SECP256R1]},
    ),
    "no common group in TLS 1.2": Case(
        REFUSED + "handshake_failure",
        NOTHING_IN_COMMON.format(versions="TLS 1.2", narrowed="groups=[X25519]"),
        "no common group for the key exchange. The client offers X25519; this server takes "
        "secp384r1: ServerConfig(groups=).",
        client={"groups": [NamedGroup.X25519], **TLS12},
        server={"groups": [NamedGroup.SECP384R1]},
    ),
    "no common signature algorithm": Case(
        REFUSED + "handshake_failure",
        NOTHING_IN_COMMON.format(
            versions="TLS 1.3 and TLS 1.2", narrowed="signature_schemes=[rsa_pss_rsae_sha256]"
        ),
        "no common signature algorithm: the client can verify none of this server's certificates. "
        "The client offers rsa_pss_rsae_sha256; this server can sign with ecdsa_secp256r1_sha256. "
        + ANOTHER_KEY,
        client={"signature_schemes": [SignatureScheme.rsa_pss_rsae_sha256]},
    ),
    "no common signature algorithm in TLS 1.2": Case(
        REFUSED + "handshake_failure",
        NOTHING_IN_COMMON.format(
            versions="TLS 1.2",
            narrowed="cipher_suites=[TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256], "
            "signature_schemes=[rsa_pss_rsae_sha256]",
        ),
        "no shared cipher: no certificate of this server fits a cipher suite and a signature "
        "algorithm of the client's. The client offers TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, with "
        "the signature algorithms rsa_pss_rsae_sha256. " + ANOTHER_KEY,
        client={
            "cipher_suites": [CipherSuite.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256],
            "signature_schemes": [SignatureScheme.rsa_pss_rsae_sha256],
            **TLS12,
        },
    ),
    "no common application protocol": Case(
        REFUSED + "no_application_protocol",
        "This client offers the application protocols h2, and the server speaks none of them. "
        "Offer another: ClientConfig(alpn_protocols=[...]).",
        "no common application protocol: the client offers h2; this server speaks http/1.1. "
        "ServerConfig(alpn_protocols=) names what it speaks; with alpn_optional=True it goes on "
        "without.",
        client={"alpn_protocols": ["h2"]},
        server={"alpn_protocols": ["http/1.1"]},
    ),
    "client certificate required": Case(
        REFUSED + "certificate_required",
        f"The server requires a certificate from its clients: {CLIENT_FILES}.",
        "the client showed no certificate, and this server requires one. Its owner has to give it "
        "one by an authority that this server trusts.",
        server={"trust": authority().trust, "client_auth": ClientAuth.REQUIRED},
    ),
    "client certificate required in TLS 1.2": Case(
        REFUSED + "handshake_failure",
        f"The server may require a certificate from its clients: {CLIENT_FILES}.",
        "the client showed no certificate, and this server requires one. Its owner has to give it "
        "one by an authority that this server trusts.",
        client=TLS12,
        server={"trust": authority().trust, "client_auth": ClientAuth.REQUIRED},
    ),
    "client certificate by a stranger": Case(
        REFUSED + "unknown_ca",
        'This client showed the server its certificate "client", whose issuer it does not trust. '
        "Send the intermediates along (Identity.from_files of a full chain), or have the server's "
        "owner trust the issuer.",
        VERIFY + 'unable to get local issuer certificate. "client" <- "another", which is not in '
        'your trust store, which has "aiotls test root". The client sent 1 certificate, none of '
        'them "another". If "another" is yours to trust, add its certificate to the server\'s '
        "trust. If it is an intermediate authority that was not sent, its owner has to add it to "
        "the chain, in most places by serving fullchain.pem instead of cert.pem.",
        client={"identity": foreign.identity},
        server={"trust": authority().trust, "client_auth": ClientAuth.REQUIRED},
    ),
    "client certificate expired": Case(
        REFUSED + "certificate_expired",
        'This client showed the server its certificate "client", which it holds for expired. Renew '
        "it, or have the server's clock set.",
        VERIFY + 'certificate has expired. The client\'s certificate, "client", expired 3 days ago '
        f"({describe_time(NOW - 3 * DAY)}). This machine's clock says {{now}}. The client's owner "
        "must renew it; if the clock is wrong, set it.",
        client={"identity": old.identity},
        server={"trust": authority().trust, "client_auth": ClientAuth.REQUIRED},
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_each_failure_says_what_to_do(case: Case, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "aiotls")
    moment = NOW.timestamp()

    def clock() -> float:
        return moment

    client = ClientConfig(
        **{"trust": authority().trust, "session_cache": None, "clock": clock, **case.client}
    )
    identity = case.identity or leaf("localhost").identity
    server = ServerConfig(**{"identity": identity, "clock": clock, **case.server})
    error = await refusal(client, server, case.name)
    known = {"now": describe_time(NOW)}
    if case.identity is own.identity:
        from cryptography.hazmat.primitives import hashes

        known["fingerprint"] = own.certificate.fingerprint(hashes.SHA256()).hex(":")
    assert str(error) == case.text
    hint = getattr(error, "hint", None)
    assert hint == case.hint.format(**known)
    assert error.__notes__ == [hint]
    assert not any(word in hint for word in FORBIDDEN)
    await until(lambda: caplog.records)
    (record,) = caplog.records
    assert (record.levelno, record.name, record.exc_info) == (logging.WARNING, "aiotls", None)
    address, _, reason = record.getMessage().partition(" failed: ")
    assert address.startswith(f"TLS handshake with {HOST}:")
    assert reason == case.log.format(**known)


async def refusal(client: ClientConfig, server: ServerConfig, name: str) -> OSError:
    """The error that a client meets, in its handshake or in its first read."""
    listener = await aiotls.start_server(echo, HOST, 0, ssl=server)
    writer = None
    try:
        reader, writer = await aiotls.open_connection(
            HOST, port_of(listener), ssl=client, server_hostname=name
        )
        await reader.readexactly(1)
    except OSError as error:
        return error
    finally:
        if writer is not None:
            writer.close()
            await asyncio.gather(writer.wait_closed(), return_exceptions=True)
        listener.close()
    raise AssertionError("they came together")
