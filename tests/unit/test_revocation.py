"""Revocation lists: RFC 5280, sections 5 and 6.3."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from aiotls import CertificateError, ClientAuth, ClientConfig, RevocationLists, ServerConfig
from aiotls.enums import Alert
from aiotls.errors import UsageError
from tests import certificates
from tests.engine.pair import connect

NOW = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
HOUR = datetime.timedelta(hours=1)

ROOT = certificates.authority()
MIDDLE = certificates.intermediate()
LEAF = certificates.leaf("localhost", issuer=MIDDLE)


def revocation_list(
    issuer: certificates.Issued,
    *revoked: certificates.Issued,
    signer: certificates.Issued | None = None,
    begins: datetime.datetime = NOW - HOUR,
    ends: datetime.datetime = NOW + HOUR,
    critical: bool = False,
) -> x509.CertificateRevocationList:
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(begins)
        .next_update(ends)
    )
    for one in revoked:
        entry = x509.RevokedCertificateBuilder(one.certificate.serial_number, begins)
        builder = builder.add_revoked_certificate(entry.build())
    if critical:
        point = x509.IssuingDistributionPoint(None, None, True, False, None, False, False)
        builder = builder.add_extension(point, critical=True)
    return builder.sign((signer or issuer).key, hashes.SHA256())


def path() -> list[x509.Certificate]:
    return [LEAF.certificate, MIDDLE.certificate, ROOT.certificate]


def test_what_is_not_revoked_passes() -> None:
    lists = RevocationLists([revocation_list(MIDDLE), revocation_list(ROOT)])
    lists.check(path(), NOW)
    assert len(lists) == 2


CASES: dict[str, tuple[list[Any], int, Alert]] = {
    "the_leaf_is_revoked": (
        [revocation_list(MIDDLE, LEAF), revocation_list(ROOT)],
        23,
        Alert.CERTIFICATE_REVOKED,
    ),
    "its_issuer_is_revoked": (
        [revocation_list(MIDDLE), revocation_list(ROOT, MIDDLE)],
        23,
        Alert.CERTIFICATE_REVOKED,
    ),
    "there_is_no_list": ([revocation_list(MIDDLE)], 3, Alert.BAD_CERTIFICATE),
    "the_list_is_out_of_date": (
        [revocation_list(MIDDLE, begins=NOW - 3 * HOUR, ends=NOW - HOUR), revocation_list(ROOT)],
        12,
        Alert.BAD_CERTIFICATE,
    ),
    "the_list_is_from_the_future": (
        [
            revocation_list(MIDDLE, begins=NOW + HOUR, ends=NOW + 2 * HOUR),
            revocation_list(ROOT),
        ],
        11,
        Alert.BAD_CERTIFICATE,
    ),
    "the_list_is_forged": (
        [revocation_list(MIDDLE, signer=ROOT), revocation_list(ROOT)],
        8,
        Alert.BAD_CERTIFICATE,
    ),
    "the_list_is_for_some_certificates_only": (
        [revocation_list(MIDDLE, critical=True), revocation_list(ROOT)],
        36,
        Alert.BAD_CERTIFICATE,
    ),
}


def test_an_issuer_has_to_be_allowed_to_sign_lists() -> None:
    """RFC 5280, section 6.3.3 (f); one without any key usage may."""
    for usage, allowed in (("key_cert_sign", "crl_sign"), True), (("key_cert_sign",), False):
        middle = certificates.intermediate("of lists", usage=usage)
        leaf = certificates.leaf("localhost", issuer=middle)
        chain = [leaf.certificate, middle.certificate, ROOT.certificate]
        lists = RevocationLists([revocation_list(middle), revocation_list(ROOT)])
        if allowed:
            lists.check(chain, NOW)
            continue
        with pytest.raises(CertificateError) as caught:
            lists.check(chain, NOW)
        assert caught.value.verify_code == 35
    middle = certificates.intermediate("without", usage=None)
    leaf = certificates.leaf("localhost", issuer=middle)
    chain = [leaf.certificate, middle.certificate, ROOT.certificate]
    RevocationLists([revocation_list(middle), revocation_list(ROOT)]).check(chain, NOW)


@pytest.mark.parametrize("name", CASES)
def test_a_chain_is_refused(name: str) -> None:
    lists, code, alert = CASES[name]
    with pytest.raises(CertificateError) as caught:
        RevocationLists(lists).check(path(), NOW)
    assert caught.value.verify_code == code
    assert caught.value.alert == alert


def test_a_good_list_makes_up_for_a_bad_one() -> None:
    old = revocation_list(MIDDLE, begins=NOW - 3 * HOUR, ends=NOW - HOUR)
    RevocationLists([old, revocation_list(MIDDLE), revocation_list(ROOT)]).check(path(), NOW)


def test_the_leaf_alone_may_be_checked() -> None:
    RevocationLists([revocation_list(MIDDLE)]).check(path(), NOW, leaf_only=True)


def test_lists_are_read_from_pem() -> None:
    pem = b"".join(
        one.public_bytes(Encoding.PEM) for one in (revocation_list(MIDDLE), revocation_list(ROOT))
    )
    assert len(RevocationLists.from_pem(b"text around\n" + pem.decode().encode())) == 2
    with pytest.raises(UsageError):
        RevocationLists.from_pem("nothing")
    with pytest.raises(UsageError):
        RevocationLists([b"nothing"])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("0603550403 0c", "0603550403 03"),  # the issuer's name, as a string of bits
        ("0603550403 0c", "0603550403 30"),
        ("0603550403 0c", "0603550403 00"),
        ("0603551d14 04", "0603551d14 03"),  # an extension that is none
    ],
)
def test_a_list_is_read_whole_when_it_is_given(old: str, new: str) -> None:
    """Not when a certificate is to be verified, and with no error but one's own."""
    builder = x509.CertificateRevocationListBuilder(MIDDLE.certificate.subject, NOW, NOW + HOUR)
    signed = builder.add_extension(x509.CRLNumber(1), critical=False).sign(
        MIDDLE.key, hashes.SHA256()
    )
    good = signed.public_bytes(Encoding.DER)
    RevocationLists([good])
    bad = good.replace(bytes.fromhex(old), bytes.fromhex(new))
    assert bad != good
    with pytest.raises(UsageError):
        RevocationLists([bad])


@pytest.mark.parametrize("revoked", [True, False])
def test_both_roles_look(client: ClientConfig, revoked: bool) -> None:
    lists = RevocationLists(
        [revocation_list(MIDDLE, *[LEAF][: 1 if revoked else 0]), revocation_list(ROOT)]
    )
    server = ServerConfig(identity=LEAF.identity)
    pair = connect(client.replace(revocation=lists), server)
    assert (pair.client_error is not None) is revoked
    server = server.replace(client_auth=ClientAuth.REQUIRED, trust=ROOT.trust, revocation=lists)
    pair = connect(client.replace(identity=LEAF.identity), server)
    assert (pair.server_error is not None) is revoked
