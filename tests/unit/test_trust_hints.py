"""What a refusal tells people: what was asked, what was found, and who can mend it."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from aiotls.errors import CertificateError
from aiotls.trust import TrustStore
from aiotls.trust.certificates import (
    describe_key,
    describe_span,
    describe_time,
    printable,
    title,
)
from aiotls.trust.distinguished import subject_of
from tests.certificates import (
    CLIENT,
    DAY,
    NOW,
    SERVER,
    Issued,
    authority,
    intermediate,
    key,
    leaf,
    with_odd_name,
)

CLOCK = datetime.datetime(2026, 11, 23, 4, 20, tzinfo=datetime.UTC)


def hint(
    peer: Issued,
    name: str | None = "localhost",
    *,
    store: TrustStore | None = None,
    chain: tuple[bytes, ...] | None = None,
    client: bool = False,
    now: datetime.datetime = NOW,
) -> str:
    store = store or peer.trust

    def verify() -> None:
        if client:
            store.verify_client(chain or peer.chain, now=now)
        else:
            store.verify_server(chain or peer.chain, name, now=now)

    with pytest.raises(CertificateError) as caught:
        verify()
    error = caught.value
    assert error.hint is not None
    assert error.__notes__ == [error.hint]
    for forbidden in ("insecure", "disable", "dangerous", "CERT_NONE", "verify=False"):
        assert forbidden not in error.hint
    return error.hint


def test_expired_gives_both_dates_and_who_renews() -> None:
    peer = leaf(begins=CLOCK - 30 * DAY, ends=CLOCK - 3 * DAY)
    assert hint(peer, now=CLOCK) == (
        'The server\'s certificate, "localhost", expired 3 days ago (20 Nov 2026 04:20 UTC). This '
        "machine's clock says 23 Nov 2026 04:20 UTC. The server's owner must renew it; if the "
        "clock is wrong, set it."
    )
    assert hint(peer, now=CLOCK, client=True).startswith("The client's certificate,")


def test_an_expired_issuer_is_named_and_its_keeper_too(tmp_path: Path) -> None:
    sent = intermediate("old intermediate", ends=NOW - DAY)
    assert 'authority "old intermediate", which the server sent, expired 1 day ago' in hint(
        leaf(issuer=sent)
    )
    root = authority("old root", ends=NOW - DAY)
    (tmp_path / "ca.pem").write_bytes(root.pem)
    told = hint(leaf(issuer=root), store=TrustStore.from_files(tmp_path / "ca.pem"))
    assert '"old root" in your trust store expired' in told
    assert f"Update your trusted authorities ({tmp_path / 'ca.pem'})" in told


def test_not_yet_valid_points_at_the_clock() -> None:
    told = hint(leaf(begins=CLOCK + 3 * DAY, ends=CLOCK + 30 * DAY, issuer=authority()), now=NOW)
    assert "from now by this machine's clock" in told or "ago" in told
    told = hint(leaf(begins=NOW + 3 * DAY))
    assert "3 days from now" in told
    assert "A wrong clock is the usual cause." in told


def test_a_wrong_name_gives_the_names_that_would_do() -> None:
    told = hint(leaf("other.example"))
    assert told.startswith('You asked for "localhost"; the certificate is for: other.example.')
    assert 'server_hostname="other.example"' in told


def test_the_nearest_name_is_proposed() -> None:
    peer = leaf("a.example", "mail.example.com", "www.example.com", "*.internal.example")
    assert 'server_hostname="mail.example.com"' in hint(peer, "mial.example.com")


def test_many_names_are_cut_short() -> None:
    told = hint(leaf(*(f"host{number}.example" for number in range(50))))
    assert "host4.example and 45 more" in told
    assert "host5.example," not in told


def test_a_wildcard_is_explained() -> None:
    told = hint(leaf("*.example.com"), "a.b.example.com")
    assert "*.example.com stands for exactly one label" in told
    assert "server_hostname" not in told


def test_names_from_a_peer_cannot_write_to_the_terminal() -> None:
    told = hint(leaf("localhost", common_name="evil\x1b[2J\nname", ends=NOW - DAY))
    assert told.isprintable()
    assert "evil\\x1b[2J\\x0aname" in told


def test_an_unknown_authority_is_drawn_as_a_path() -> None:
    issuer = intermediate()
    store = TrustStore([authority("another").certificate])
    told = hint(leaf(issuer=issuer), store=store)
    assert told.startswith(
        '"localhost" <- "aiotls test intermediate" <- "aiotls test root", which is not in your '
        'trust store, which has "another".'
    )
    assert 'TrustStore.from_files("ca.pem")' in told


def test_a_missing_intermediate_is_told_from_an_unknown_root() -> None:
    url = "http://ca.example/intermediate.der"
    peer = leaf(issuer=intermediate(), issuer_url=url)
    told = hint(peer, chain=(peer.der,))
    assert "The server sent 1 certificate, none of them" in told
    assert "An intermediate authority seems to be missing: its owner has to add it" in told
    assert url in told
    rooted = hint(leaf(), chain=tuple(i.der for i in leaf().path), store=_strangers())
    assert "self-signed" not in rooted
    assert '"localhost" <- "aiotls test root", which is not in' in rooted
    assert "missing" not in rooted


def _strangers() -> TrustStore:
    return TrustStore([authority(f"stranger {number}").certificate for number in range(5)])


def test_a_large_store_is_counted_and_a_small_one_is_listed() -> None:
    assert "not in your 5 trusted authorities from memory" in hint(leaf(), store=_strangers())
    store = TrustStore([authority("one").certificate, authority("two").certificate])
    assert 'your trust store, which has "one", "two"' in hint(leaf(), store=store)


def test_a_self_signed_certificate_is_given_with_its_fingerprint() -> None:
    peer = leaf(self_signed=True)
    told = hint(peer, store=_strangers())
    from cryptography.hazmat.primitives import hashes

    assert peer.certificate.fingerprint(hashes.SHA256()).hex(":") in told
    assert 'profile="private-pki"' in told
    assert "add it to the server's trust" in hint(peer, store=_strangers(), client=True)


def test_a_self_signed_authority_as_a_server_is_told_how_to_be_one() -> None:
    peer = leaf(self_signed=True, ca=True)
    assert "-addext basicConstraints=critical,CA:FALSE" in hint(peer)


def test_an_ed25519_authority_is_explained() -> None:
    told = hint(leaf(issuer=authority("modern", key_kind="ed25519")))
    assert 'The authority "modern" signs with an Ed25519 key.' in told
    assert "make the authority anew with P-256" in told


def test_purposes_are_named() -> None:
    assert "is for clientAuth and not for serverAuth" in hint(leaf(purposes=(CLIENT,)))
    told = hint(leaf(purposes=(SERVER,)), client=True)
    assert "is for serverAuth and not for clientAuth" in told


def test_constraints_are_listed() -> None:
    issuer = intermediate("of example.com", permitted=("example.com", "10.0.0.0/8"))
    told = hint(leaf(issuer=issuer))
    assert '"of example.com" may only issue certificates for: example.com, 10.0.0.0/8.' in told
    issuer = intermediate("not of example.com", excluded=("example.com",))
    told = hint(leaf("www.example.com", issuer=issuer), "www.example.com")
    assert "may not issue certificates for: example.com." in told
    issuer = authority("short", path_length=0)
    told = hint(leaf(issuer=intermediate("below", issuer=issuer)))
    assert '"short" allows no authorities below it, and there is 1' in told


def test_extensions_of_authorities_are_named() -> None:
    told = hint(leaf(issuer=intermediate("lax", critical_constraints=False)))
    assert 'The authority "lax" has basic constraints that are not critical' in told
    assert "The server sent it" in told
    told = hint(leaf(issuer=authority("odd", critical_unknown=True)))
    assert 'The authority "odd" has a critical extension' in told
    assert "1.3.6.1.4.1.55555.1" in told
    assert "among your anchors" in told


OLD = {"begins": NOW - 9 * DAY, "ends": NOW - DAY}


@pytest.mark.parametrize(
    ("peer", "depth", "code"),
    [
        (leaf(**OLD), 0, 10),
        (leaf("elsewhere.example"), 0, 62),
        (leaf(issuer=intermediate("no usage", usage=None)), 1, 92),
        (leaf(issuer=intermediate("old", **OLD)), 1, 10),
        (leaf(issuer=intermediate("no authority", ca=False)), 1, 79),
        (leaf(issuer=intermediate("signs nothing", usage=("crl_sign",))), 1, 32),
        (leaf(issuer=intermediate("for clients", purposes=(CLIENT,))), 1, 26),
        (leaf(issuer=intermediate("small", key_kind="rsa1024")), 1, 67),
        (leaf(issuer=intermediate("lax", critical_constraints=False)), 1, 89),
        (leaf(issuer=intermediate("odd", critical_unknown=True)), 1, 34),
        (leaf(issuer=intermediate("narrow", permitted=("example.com",))), 1, 47),
        (leaf(issuer=authority("no usage at the top", usage=None)), 1, 92),
        (
            leaf(issuer=intermediate(issuer=authority("lax root", critical_constraints=False))),
            2,
            89,
        ),
        (leaf(issuer=intermediate(issuer=authority("short", path_length=0))), 2, 25),
    ],
    ids=lambda value: (
        value.path[1].certificate.subject.rfc4514_string() if isinstance(value, Issued) else ""
    ),
)
def test_the_depth_is_that_of_the_certificate_that_fails(
    peer: Issued, depth: int, code: int
) -> None:
    """As X509_STORE_CTX_get_error_depth(3) counts."""
    with pytest.raises(CertificateError) as caught:
        peer.trust.verify_server(peer.chain, "localhost", now=NOW)
    assert (caught.value.verify_code, caught.value.verify_depth) == (code, depth)


def test_where_an_issuer_is_missing_the_depth_is_that_of_what_it_issued() -> None:
    peer = leaf(issuer=intermediate("in between"))
    for chain, depth in ((peer.chain[:1], 0), (peer.chain, 1)):
        with pytest.raises(CertificateError) as caught:
            _strangers().verify_server(chain, "localhost", now=NOW)
        assert (caught.value.verify_code, caught.value.verify_depth) == (20, depth)


def test_what_else_is_wrong_is_mentioned() -> None:
    peer = leaf("other.example", ends=NOW - DAY)
    told = hint(peer, store=_strangers())
    assert told.endswith(
        "Besides: Hostname mismatch, certificate is not valid for 'localhost'.; certificate has "
        "expired."
    )


def test_a_directory_is_named(tmp_path: Path) -> None:
    for number in range(5):
        (tmp_path / f"{number}.pem").write_bytes(authority(f"stranger {number}").pem)
    told = hint(leaf(), store=TrustStore.from_files(capath=tmp_path))
    assert f"your 5 trusted authorities from {tmp_path}" in told


# -- words -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 seconds"),
        (1, "1 second"),
        (59, "59 seconds"),
        (60, "1 minute"),
        (3600, "1 hour"),
        (7199, "1 hour"),
        (86_400, "1 day"),
        (-259_200, "3 days"),
    ],
)
def test_spans(seconds: int, text: str) -> None:
    assert describe_span(datetime.timedelta(seconds=seconds)) == text


def test_times_are_in_utc() -> None:
    there = datetime.timezone(datetime.timedelta(hours=2))
    assert (
        describe_time(datetime.datetime(2026, 1, 2, 3, 4, tzinfo=there)) == "2 Jan 2026 01:04 UTC"
    )


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("p256", "an ECDSA key on P-256"),
        ("secp256k1", "an ECDSA key on secp256k1"),
        ("rsa", "an RSA key of 2048 bits"),
        ("ed25519", "an Ed25519 key"),
        ("ed448", "an Ed448 key"),
        ("mldsa65", "an ML-DSA-65 key"),
        ("dsa", "a DSA key"),
    ],
)
def test_kinds_of_keys(kind: str, text: str) -> None:
    assert describe_key(key(kind)) == text
    assert describe_key(key(kind).public_key()) == text


def test_long_text_is_cut() -> None:
    assert printable("a" * 200) == "a" * 100 + "…"
    assert printable("a" * 100) == "a" * 100


def test_a_subject_that_is_no_name_keeps_nobody_from_the_reason() -> None:
    """The library reads no name with a string of bits in it, and raises TypeError for that."""
    root = authority()
    odd = with_odd_name(leaf("localhost", common_name="localhost"), root)
    with pytest.raises(TypeError):
        _ = odd.subject
    chain = [odd.public_bytes(Encoding.DER)]
    assert len(root.trust.verify_server(chain, "localhost", now=NOW)) == 2
    with pytest.raises(CertificateError, match="Hostname mismatch"):
        root.trust.verify_server(chain, "other.example", now=NOW)
    assert title(odd) == '"#6f63616c686f7374"'  # as OpenSSL shows what is no string
    assert TrustStore([odd]).by_subject == {subject_of(odd): [odd]}
