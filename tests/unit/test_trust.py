"""Which peers are believed, which are not, and with which alert and code."""

from __future__ import annotations

import ssl
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import SignatureAlgorithmOID
from hypothesis import assume, given
from hypothesis import strategies as st

from aiotls.enums import Alert
from aiotls.errors import CertificateError, UsageError
from aiotls.trust import TrustStore, is_pss_only, parse_certificate, system
from tests.certificates import (
    CLIENT,
    DAY,
    NOW,
    SERVER,
    Issued,
    authority,
    claiming,
    intermediate,
    key,
    leaf,
)

PROFILES = ("webpki", "private-pki")

profiles = pytest.mark.parametrize("profile", PROFILES)


def verify(
    peer: Issued,
    name: str | None = "localhost",
    *,
    root: Issued | None = None,
    profile: str = "webpki",
    chain: Sequence[bytes] | None = None,
    client: bool = False,
) -> list[x509.Certificate]:
    """The path of a peer's certificate to *root*, by default the one that it comes from."""
    anchor = (root or peer.path[-1]).certificate
    store = TrustStore([anchor], profile=profile)
    if client:
        return store.verify_client(chain or peer.chain, now=NOW)
    return store.verify_server(chain or peer.chain, name, now=NOW)


def refusal(peer: Issued, name: str | None = "localhost", **options: object) -> CertificateError:
    with pytest.raises(CertificateError) as caught:
        verify(peer, name, **options)  # type: ignore[arg-type]
    error = caught.value
    assert error.reason == "CERTIFICATE_VERIFY_FAILED"
    assert str(error) == f"certificate verify failed: {error.verify_message}"
    assert "\n" not in str(error)
    return error


# -- what is accepted ------------------------------------------------------------------------------


@profiles
@pytest.mark.parametrize(
    "kind",
    "p256 p384 p521 rsa rsa3072 rsa-pss ed25519 ed448 mldsa44 mldsa65 mldsa87".split(),
)
def test_a_leaf_of_any_kind_of_key_is_accepted(kind: str, profile: str) -> None:
    peer = leaf(key_kind=kind)
    assert verify(peer, profile=profile) == [i.certificate for i in peer.path]


@profiles
@pytest.mark.parametrize("kind", ["p256", "p384", "p521", "rsa", "mldsa44", "mldsa65", "mldsa87"])
def test_an_authority_of_a_usual_kind_of_key_is_accepted(kind: str, profile: str) -> None:
    peer = leaf(issuer=authority(f"root {kind}", key_kind=kind))
    assert len(verify(peer, profile=profile)) == 2


@profiles
def test_a_path_goes_through_intermediates_in_any_order(profile: str) -> None:
    first = intermediate("first")
    second = intermediate("second", issuer=first)
    peer = leaf(issuer=second)
    assert len(verify(peer, profile=profile)) == 4
    shuffled = (peer.der, first.der, leaf("unrelated.example").der, second.der)
    assert len(verify(peer, profile=profile, chain=shuffled)) == 4


@profiles
def test_an_anchor_need_not_be_a_root(profile: str) -> None:
    issuer = intermediate()
    assert len(verify(leaf(issuer=issuer), root=issuer, profile=profile)) == 2


@profiles
def test_an_anchor_may_be_the_leaf_itself(profile: str) -> None:
    assert len(verify(leaf(), root=leaf(), profile=profile)) == 1


@profiles
@pytest.mark.parametrize(
    ("names", "asked"),
    [
        (("example.com",), "example.com"),
        (("EXAMPLE.com",), "example.com"),
        (("other.example", "example.com"), "example.com"),
        (("*.example.com",), "www.example.com"),
        (("xn--mnchen-3ya.example",), "xn--mnchen-3ya.example"),
        (("192.0.2.1",), "192.0.2.1"),
        (("2001:db8::1",), "2001:db8::1"),
    ],
)
def test_a_name_that_the_certificate_is_for(
    names: tuple[str, ...], asked: str, profile: str
) -> None:
    verify(leaf(*names), asked, profile=profile)


@profiles
@pytest.mark.parametrize("purposes", [(SERVER,), (SERVER, CLIENT), ()])
def test_any_name_if_names_are_not_asked_for(
    purposes: tuple[x509.ObjectIdentifier, ...], profile: str
) -> None:
    verify(leaf("a.example", purposes=purposes), None, profile=profile)
    verify(leaf("a.example", purposes=purposes, alternative_names=False), None, profile=profile)


@profiles
def test_a_client_needs_no_name(profile: str) -> None:
    peer = leaf("alice", alternative_names=False, purposes=(CLIENT,))
    assert len(verify(peer, client=True, profile=profile)) == 2


@pytest.mark.parametrize(
    "make",
    [
        lambda: leaf(identifier=False),
        lambda: leaf(issuer=authority("without identifiers", identifier=False), identifier=False),
        lambda: leaf(issuer=authority("without key usage", usage=None)),
        lambda: leaf(self_signed=True),
    ],
    ids=["leaf-aki", "no-identifiers", "anchor-usage", "own-anchor"],
)
@pytest.mark.parametrize("client", [False, True], ids=["server", "client"])
def test_what_only_a_private_pki_may_leave_out(make: object, client: bool) -> None:
    peer: Issued = make()  # type: ignore[operator]
    verify(peer, profile="private-pki", client=client)
    error = refusal(peer, profile="webpki", client=client)
    assert error.verify_code in (85, 92)
    assert error.hint is not None
    assert 'profile="private-pki"' in error.hint


def test_intermediates_of_ones_own_complete_a_chain() -> None:
    issuer = intermediate()
    peer = leaf(issuer=issuer)
    store = TrustStore([authority().certificate], intermediates=[issuer.der])
    assert len(store.verify_server([peer.der], "localhost", now=NOW)) == 3
    assert len(store) == 1
    assert store.fingerprint != TrustStore([authority().certificate]).fingerprint


def test_intermediates_of_ones_own_are_not_believed() -> None:
    issuer = intermediate()
    store = TrustStore([authority("another root").certificate], intermediates=[issuer.der])
    with pytest.raises(CertificateError) as caught:
        store.verify_server([leaf(issuer=issuer).der], "localhost", now=NOW)
    assert caught.value.verify_code == 2


# -- what is refused, in every profile -------------------------------------------------------------

REFUSED = {
    "expired": (lambda: leaf(ends=NOW - 3 * DAY), Alert.CERTIFICATE_EXPIRED, 10),
    "not-yet-valid": (lambda: leaf(begins=NOW + 3 * DAY), Alert.CERTIFICATE_EXPIRED, 9),
    "expired-intermediate": (
        lambda: leaf(issuer=intermediate("expired", ends=NOW - DAY)),
        Alert.CERTIFICATE_EXPIRED,
        10,
    ),
    "expired-root": (
        lambda: leaf(issuer=authority("expired root", ends=NOW - DAY)),
        Alert.CERTIFICATE_EXPIRED,
        10,
    ),
    "issuer-not-yet-valid": (
        lambda: leaf(issuer=intermediate("early", begins=NOW + DAY)),
        Alert.CERTIFICATE_EXPIRED,
        9,
    ),
    "issuer-ca-false": (
        lambda: leaf(issuer=intermediate("CA:FALSE", ca=False)),
        Alert.UNKNOWN_CA,
        79,
    ),
    "issuer-without-basic-constraints": (
        lambda: leaf(issuer=intermediate("no basic constraints", ca=None)),
        Alert.UNKNOWN_CA,
        79,
    ),
    "issuer-is-a-leaf": (lambda: leaf(issuer=leaf("issuer.example")), Alert.UNKNOWN_CA, 79),
    "issuer-without-keyCertSign": (
        lambda: leaf(issuer=intermediate("no keyCertSign", usage=("crl_sign",))),
        Alert.UNKNOWN_CA,
        32,
    ),
    "root-without-keyCertSign": (
        lambda: leaf(issuer=authority("root without keyCertSign", usage=("crl_sign",))),
        Alert.UNKNOWN_CA,
        32,
    ),
    "intermediate-without-key-usage": (
        lambda: leaf(issuer=intermediate("no key usage", usage=None)),
        Alert.BAD_CERTIFICATE,
        92,
    ),
    "path-length": (
        lambda: leaf(
            issuer=intermediate("below", issuer=authority("path length 0", path_length=0))
        ),
        Alert.UNKNOWN_CA,
        25,
    ),
    "name-not-permitted": (
        lambda: leaf(issuer=intermediate("permitted", permitted=("example.com",))),
        Alert.BAD_CERTIFICATE,
        47,
    ),
    "name-excluded": (
        lambda: leaf(issuer=intermediate("excluded", excluded=("localhost",))),
        Alert.BAD_CERTIFICATE,
        48,
    ),
    "issuer-for-other-purposes": (
        lambda: leaf(
            issuer=intermediate(
                "for mail", purposes=(x509.oid.ExtendedKeyUsageOID.EMAIL_PROTECTION,)
            )
        ),
        Alert.UNSUPPORTED_CERTIFICATE,
        26,
    ),
    "leaf-is-an-authority": (lambda: leaf(ca=True), Alert.UNSUPPORTED_CERTIFICATE, 37),
    "leaf-with-keyCertSign": (
        lambda: leaf(usage=("digital_signature", "key_cert_sign")),
        Alert.UNSUPPORTED_CERTIFICATE,
        82,
    ),
    "unknown-critical-extension": (
        lambda: leaf(critical_unknown=True),
        Alert.UNSUPPORTED_CERTIFICATE,
        34,
    ),
    "small-rsa-leaf": (lambda: leaf(key_kind="rsa1024"), Alert.BAD_CERTIFICATE, 66),
    "small-rsa-authority": (
        lambda: leaf(issuer=authority("small", key_kind="rsa1024")),
        Alert.BAD_CERTIFICATE,
        67,
    ),
    "ed25519-authority": (
        lambda: leaf(issuer=authority("Ed25519", key_kind="ed25519")),
        Alert.UNSUPPORTED_CERTIFICATE,
        76,
    ),
    "ed448-authority": (
        lambda: leaf(issuer=authority("Ed448", key_kind="ed448")),
        Alert.UNSUPPORTED_CERTIFICATE,
        76,
    ),
    "secp256k1-authority": (
        lambda: leaf(issuer=authority("secp256k1", key_kind="secp256k1")),
        Alert.UNSUPPORTED_CERTIFICATE,
        76,
    ),
}


@profiles
@pytest.mark.parametrize("role", ["server", "any-server", "client"])
@pytest.mark.parametrize(("make", "alert", "code"), REFUSED.values(), ids=REFUSED)
def test_what_nobody_may_present(
    make: object, alert: Alert, code: int, role: str, profile: str
) -> None:
    peer: Issued = make()  # type: ignore[operator]
    name = None if role == "any-server" else "localhost"
    error = refusal(peer, name, profile=profile, client=role == "client")
    assert (error.alert, error.verify_code) == (alert, code)
    assert error.hint


@profiles
@pytest.mark.parametrize("digest", ["MD5", "SHA1", "SHA224"])
def test_a_weak_hash_signs_nothing(digest: str, profile: str) -> None:
    """RFC 8446, section 4.4.2.4: MD5 MUST be bad_certificate, and SHA-1 ought to be."""
    algorithm = getattr(SignatureAlgorithmOID, f"RSA_WITH_{digest}")
    root = authority("of rsa", key_kind="rsa")
    weak = claiming(algorithm, leaf(issuer=root))
    middle = claiming(algorithm, intermediate("weak", issuer=root))
    for peer, who in ((weak, "The server's certificate"), (leaf(issuer=middle), '"weak"')):
        error = refusal(peer, profile=profile)
        assert (error.alert, error.verify_code) == (Alert.BAD_CERTIFICATE, 68)
        assert error.hint is not None
        assert f"{who} is signed with {digest}." in error.hint
        assert error.hint.count("signed") == 1


@profiles
def test_a_clients_certificate_does_not_make_a_server(profile: str) -> None:
    for name in ("localhost", None):
        error = refusal(leaf(purposes=(CLIENT,)), name, profile=profile)
        assert (error.alert, error.verify_code) == (Alert.UNSUPPORTED_CERTIFICATE, 26)


@profiles
def test_an_authority_for_clients_does_not_issue_for_servers(profile: str) -> None:
    peer = leaf(issuer=intermediate("for clients", purposes=(CLIENT,)))
    for name in ("localhost", None):
        assert refusal(peer, name, profile=profile).verify_code == 26
    verify(peer, client=True, profile=profile)


@profiles
def test_a_servers_certificate_does_not_make_a_client(profile: str) -> None:
    error = refusal(leaf(purposes=(SERVER,)), profile=profile, client=True)
    assert (error.alert, error.verify_code) == (Alert.UNSUPPORTED_CERTIFICATE, 26)


def test_purposes_may_be_critical_where_the_authority_is_ones_own() -> None:
    """RFC 5280, section 4.2.1.12: either way; the CA/Browser Forum has them not critical."""
    for client, name in ((True, None), (False, "localhost"), (False, None)):
        verify(leaf(critical_purposes=True), name, profile="private-pki", client=client)
        wrong = leaf(critical_purposes=True, purposes=(SERVER if client else CLIENT,))
        assert refusal(wrong, name, profile="private-pki", client=client).verify_code == 26
    with pytest.raises(CertificateError, match="criticality"):
        verify(leaf(critical_purposes=True), client=True)


@profiles
def test_a_chain_that_is_too_long(profile: str) -> None:
    issuer = authority()
    for number in range(10):
        issuer = intermediate(f"number {number}", issuer=issuer)
    error = refusal(leaf(issuer=issuer), profile=profile)
    assert (error.alert, error.verify_code) == (Alert.UNKNOWN_CA, 22)


@profiles
@pytest.mark.parametrize(
    ("names", "asked"),
    [
        (("other.example",), "localhost"),
        (("*.example.com",), "example.com"),
        (("*.example.com",), "a.b.example.com"),
        (("example.com",), "www.example.com"),
        (("192.0.2.1",), "localhost"),
    ],
)
def test_a_name_that_the_certificate_is_not_for(
    names: tuple[str, ...], asked: str, profile: str
) -> None:
    error = refusal(leaf(*names), asked, profile=profile)
    assert (error.alert, error.verify_code) == (Alert.BAD_CERTIFICATE, 62)
    assert error.verify_message == (
        f"Hostname mismatch, certificate is not valid for '{asked}'."  # as Python words it
    )


@profiles
@pytest.mark.parametrize("names", [("192.0.2.2",), ("localhost",)])
def test_an_address_that_the_certificate_is_not_for(names: tuple[str, ...], profile: str) -> None:
    error = refusal(leaf(*names), "192.0.2.1", profile=profile)
    assert (error.alert, error.verify_code) == (Alert.BAD_CERTIFICATE, 64)
    assert error.verify_message == (
        "IP address mismatch, certificate is not valid for '192.0.2.1'."
    )


@profiles
def test_a_common_name_is_no_host_name(profile: str) -> None:
    error = refusal(leaf("localhost", alternative_names=False), profile=profile)
    assert error.verify_code == 62
    assert error.hint is not None
    assert "common name, where it does not count" in error.hint


# -- who issued it ---------------------------------------------------------------------------------


@profiles
@pytest.mark.parametrize("client", [False, True], ids=["server", "client"])
def test_unknown_authorities(profile: str, client: bool) -> None:
    stranger = authority("stranger")
    lone, chained = leaf(), leaf(issuer=intermediate())
    cases = {
        20: (lone, lone.chain),
        19: (chained, [i.der for i in chained.path]),
        18: (leaf(self_signed=True), None),
    }
    for code, (peer, chain) in cases.items():
        error = refusal(peer, root=stranger, chain=chain, profile=profile, client=client)
        assert (error.alert, error.verify_code) == (Alert.UNKNOWN_CA, code)


@profiles
def test_an_authority_that_was_made_anew(profile: str) -> None:
    old, new = authority("made anew", number=1), authority("made anew", number=2)
    error = refusal(leaf(issuer=old), root=new, profile=profile)
    assert (error.alert, error.verify_code) == (Alert.UNKNOWN_CA, 20)
    assert "another key" in (error.hint or "")


@profiles
def test_a_signature_that_is_wrong(profile: str) -> None:
    der = bytearray(leaf().der)
    der[-1] ^= 1
    error = refusal(leaf(), chain=[bytes(der)], profile=profile)
    assert (error.alert, error.verify_code) == (Alert.BAD_CERTIFICATE, 7)


# -- hostile input ---------------------------------------------------------------------------------


def test_what_is_no_certificate() -> None:
    for der in (b"", b"\x30", b"garbage", leaf().der[:-1], leaf().der + b"\0"):
        with pytest.raises(CertificateError) as caught:
            parse_certificate(der)
        assert caught.value.alert is Alert.BAD_CERTIFICATE


@given(st.data())
def test_a_certificate_with_changed_bytes_is_refused_with_a_certificate_error(
    data: st.DataObject,
) -> None:
    chain = list(leaf(issuer=intermediate()).chain)
    which = data.draw(st.integers(0, 1), "which")
    broken = bytearray(chain[which])
    position = data.draw(st.integers(0, len(broken) - 1), "position")
    # How many bits of the signature's last byte count is neither signed nor looked at.
    assume(position != len(broken) - len(parse_certificate(chain[which]).signature) - 1)
    broken[position] ^= data.draw(st.integers(1, 255), "change")
    chain[which] = bytes(broken)
    with pytest.raises(CertificateError):
        authority_store().verify_server(chain, "localhost", now=NOW)
    with pytest.raises(CertificateError):
        authority_store().verify_client(chain, now=NOW)


def authority_store() -> TrustStore:
    return leaf().trust


def test_many_certificates_of_one_name_cost_a_bounded_time() -> None:
    same = [authority("same name", number=number) for number in range(1, 40)]
    peer = leaf(issuer=authority("same name", number=99))
    begin = time.process_time()
    error = refusal(peer, root=authority(), chain=[peer.der, *(i.der for i in same)])
    assert error.alert in (Alert.UNKNOWN_CA, Alert.BAD_CERTIFICATE)
    assert time.process_time() - begin < 2


def test_one_certificate_is_parsed_once() -> None:
    der = leaf("once.example").der
    assert parse_certificate(der) is parse_certificate(bytes(bytearray(der)))


def test_rsa_pss_keys_are_told_by_the_certificate() -> None:
    assert is_pss_only(leaf(key_kind="rsa-pss").certificate)
    assert not is_pss_only(leaf(key_kind="rsa").certificate)


# -- making a store --------------------------------------------------------------------------------


def test_a_store_of_der_of_certificates_and_of_pem_are_the_same() -> None:
    one, two = authority(), authority("second root")
    stores = [
        TrustStore([one.certificate, two.certificate]),
        TrustStore.from_der([two.der, one.der, one.der]),
        TrustStore.from_pem(b"# first\n" + one.pem + b"\n# second\n" + two.pem),
        TrustStore.from_pem((two.pem + one.pem).decode().replace("\n", "\r\n")),
    ]
    assert {store.fingerprint for store in stores} == {stores[0].fingerprint}
    assert [len(store) for store in stores] == [2, 2, 2, 2]
    assert one.certificate in stores[1]
    assert one.der in stores[1]
    assert leaf().der not in stores[1]
    strict, relaxed = stores[0], TrustStore([one.der, two.der], profile="private-pki")
    assert strict.fingerprint != relaxed.fingerprint


def test_from_files(tmp_path: Path) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.write_bytes(authority().pem)
    directory = tmp_path / "anchors"
    directory.mkdir()
    (directory / "second.crt").write_bytes(authority("second root").pem)
    (directory / "README").write_bytes(authority("third root").pem)
    assert len(TrustStore.from_files(bundle)) == 1
    assert len(TrustStore.from_files(str(bundle), directory)) == 2
    store = TrustStore.from_files(capath=directory)
    assert store.source == str(directory)
    # where names as of c_rehash(1) stand, they alone count
    (directory / "deadbeef.0").write_bytes(authority("third root").pem)
    (name,) = TrustStore.from_files(capath=directory).certificates
    assert name.subject.rfc4514_string() == "CN=third root"


def test_a_directory_with_a_broken_certificate_loses_that_one(tmp_path: Path) -> None:
    (tmp_path / "a.pem").write_bytes(authority().pem)
    (tmp_path / "b.pem").write_bytes(
        b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"
        b"-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n"
    )
    store = TrustStore.from_files(capath=tmp_path)
    assert (len(store), store.skipped) == (1, 2)


@pytest.mark.parametrize(
    ("data", "message", "hint"),
    [
        (b"", "no certificate", "empty"),
        (b"hello", "no certificate", "5 bytes"),
        (leaf().der, "no certificate", "DER"),
        (leaf().key_pem, "no certificate", "PRIVATE KEY"),
        (
            b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n",
            "certificate 1 of the PEM cannot be read",
            None,
        ),
        (
            authority().pem + b"-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n",
            "certificate 2 of the PEM cannot be read",
            None,
        ),
    ],
)
def test_a_pem_that_is_no_use(data: bytes, message: str, hint: str | None) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        TrustStore.from_pem(data)
    if hint:
        assert hint in (caught.value.hint or "")


def test_stores_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="needs certificates"):
        TrustStore([])
    with pytest.raises(UsageError, match="profile='strict' is not one of: webpki, private-pki"):
        TrustStore([authority().der], profile="strict")
    with pytest.raises(UsageError, match="cafile, capath or both"):
        TrustStore.from_files()
    with pytest.raises(UsageError, match=r"cafile .*missing.pem.*No such file") as caught:
        TrustStore.from_files(tmp_path / "missing.pem")
    assert isinstance(caught.value.__cause__, FileNotFoundError)
    assert caught.value.errno == caught.value.__cause__.errno
    with pytest.raises(UsageError, match=r"capath .*missing"):
        TrustStore.from_files(capath=tmp_path / "missing")
    with pytest.raises(UsageError, match="needs certificates"):
        TrustStore.from_files(capath=tmp_path)
    with pytest.raises(UsageError, match="not int"):
        TrustStore([1])  # type: ignore[list-item]
    with pytest.raises(UsageError, match="not a server name"):
        authority_store().verify_server(leaf().chain, "a_b", now=NOW)


# -- the system's ----------------------------------------------------------------------------------


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A system whose certificates stand in ``ca.pem`` or ``certs`` of a directory."""
    (tmp_path / "certs").mkdir()
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "certs"))
    return tmp_path


def test_the_systems_store_is_made_once_and_follows_the_environment(elsewhere: Path) -> None:
    (elsewhere / "ca.pem").write_bytes(authority().pem)
    (elsewhere / "certs" / "second.pem").write_bytes(authority("second root").pem)
    store = TrustStore.system()
    assert len(store) == 2
    assert TrustStore.system() is store
    assert TrustStore.system(profile="private-pki") is not store


def test_several_directories(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    more = elsewhere / "more"
    more.mkdir()
    (more / "ca.pem").write_bytes(authority().pem)
    monkeypatch.setenv("SSL_CERT_DIR", f"{elsewhere / 'certs'}:{more}")
    assert len(TrustStore.system()) == 1


def test_a_system_without_certificates(elsewhere: Path) -> None:
    with pytest.raises(UsageError, match="the system has no certificates") as caught:
        TrustStore.system()
    assert "ca-certificates" in (caught.value.hint or "")


def test_a_broken_certificate_of_the_systems_is_skipped_and_counted(elsewhere: Path) -> None:
    pem = authority().pem
    broken = b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"
    (elsewhere / "ca.pem").write_bytes(broken + pem + broken.replace(b"MAA=", b"MAMCAQE="))
    store = TrustStore.system()
    assert (len(store), store.skipped) == (1, 2)


def test_the_systems_anchors_are_those_of_the_standard_library() -> None:
    context = ssl.create_default_context()
    system.environment()
    if not context.get_ca_certs():
        with pytest.raises(UsageError):
            TrustStore.system()
        return
    ours = {c.public_bytes(Encoding.DER) for c in TrustStore.system().certificates}
    assert set(context.get_ca_certs(binary_form=True)) <= ours


def test_keys_of_the_tests_differ() -> None:
    assert key("p256", 1) is not key("p256", 2)
