"""Identities: read from every form, matched with their keys, and able to sign."""

from __future__ import annotations

import itertools
import traceback
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)

from aiotls.crypto import signatures
from aiotls.crypto.primitives import Primitives
from aiotls.enums import SignatureScheme
from aiotls.errors import UsageError
from aiotls.identity import Identity, LocalSigner, Signer
from tests.certificates import authority, intermediate, key, key_pem, leaf

S = SignatureScheme

SCHEMES = {
    "p256": (S.ecdsa_secp256r1_sha256,),
    "p384": (S.ecdsa_secp384r1_sha384,),
    "p521": (S.ecdsa_secp521r1_sha512,),
    "rsa": (S.rsa_pss_rsae_sha256, S.rsa_pss_rsae_sha384, S.rsa_pss_rsae_sha512),
    "rsa-pss": (S.rsa_pss_pss_sha256, S.rsa_pss_pss_sha384, S.rsa_pss_pss_sha512),
    "ed25519": (S.ed25519,),
    "ed448": (S.ed448,),
    "mldsa44": (S.mldsa44,),
    "mldsa65": (S.mldsa65,),
    "mldsa87": (S.mldsa87,),
}


@pytest.mark.parametrize(("kind", "schemes"), SCHEMES.items(), ids=SCHEMES)
def test_every_kind_of_key_signs_what_its_certificate_verifies(
    kind: str, schemes: tuple[SignatureScheme, ...]
) -> None:
    peer = leaf(key_kind=kind)
    identity = Identity.from_pem(peer.chain_pem)
    assert identity.chain == peer.chain
    assert identity.schemes == schemes
    assert (identity.schemes12 == ()) is kind.startswith("mldsa")
    public: Any = identity.certificate.public_key()
    for scheme in identity.schemes:
        signature = identity.sign(b"data", scheme)
        assert isinstance(signature, bytes)
        signatures.verify(public, scheme, signature, b"data", pss_only=kind == "rsa-pss")


def test_in_tls12_ecdsa_goes_with_any_hash_and_rsa_with_pkcs1() -> None:
    assert leaf(key_kind="p384").identity.schemes12[0] is S.ecdsa_secp384r1_sha384
    assert set(leaf(key_kind="p384").identity.schemes12) == {
        S.ecdsa_secp256r1_sha256,
        S.ecdsa_secp384r1_sha384,
        S.ecdsa_secp521r1_sha512,
    }
    assert S.rsa_pkcs1_sha256 in leaf(key_kind="rsa").identity.schemes12


# -- forms -----------------------------------------------------------------------------------------


def test_a_pem_may_have_any_order() -> None:
    peer = leaf(issuer=intermediate("second", issuer=intermediate("first")))
    parts = [peer.pem, peer.path[1].pem, peer.path[2].pem, peer.key_pem]
    for order in itertools.permutations(parts):
        identity = Identity.from_pem(b"text between\n" + b"\n".join(order))
        assert identity.chain == peer.chain


def test_a_certificate_that_belongs_to_nothing_stands_last() -> None:
    peer, other = leaf(issuer=intermediate()), leaf("other.example", number=5)
    identity = Identity.from_pem(other.pem + peer.chain_pem)
    assert identity.chain == (*peer.chain, other.der)


def test_pem_may_be_text_and_the_key_may_stand_apart() -> None:
    peer = leaf()
    assert Identity.from_pem(peer.pem.decode(), key=peer.key_pem.decode()).chain == peer.chain
    assert Identity.from_pem(peer.chain_pem.replace(b"\n", b"\r\n")).chain == peer.chain


@pytest.mark.parametrize("kind", ["rsa", "p256"])
def test_keys_of_the_older_forms(kind: str) -> None:
    peer = leaf(key_kind=kind)
    old = PrivateFormat.TraditionalOpenSSL
    plain = peer.key.private_bytes(Encoding.PEM, old, NoEncryption())
    assert Identity.from_pem(peer.pem + plain).schemes == SCHEMES[kind]
    secret = peer.key.private_bytes(Encoding.PEM, old, BestAvailableEncryption(b"secret"))
    assert b"Proc-Type" in secret
    assert Identity.from_pem(peer.pem + secret, "secret").schemes == SCHEMES[kind]
    der = peer.key.private_bytes(Encoding.DER, old, NoEncryption())
    assert Identity.from_der([peer.der], der).schemes == SCHEMES[kind]


@pytest.mark.parametrize("password", ["secret", b"secret", lambda: "secret", lambda: b"secret"])
def test_encrypted_keys(password: Any) -> None:
    peer = leaf()
    data = peer.pem + key_pem(peer.key, b"secret")
    assert Identity.from_pem(data, password).chain == peer.chain


def test_a_password_is_only_asked_for_when_it_is_needed() -> None:
    def ask() -> str:
        raise AssertionError("asked")

    assert Identity.from_pem(leaf().chain_pem, ask).chain == leaf().chain


def test_der() -> None:
    peer = leaf(issuer=intermediate())
    der = peer.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    assert Identity.from_der(peer.chain, der).chain == peer.chain
    assert Identity.from_der(peer.der, der).chain == (peer.der,)
    secret = peer.key.private_bytes(
        Encoding.DER, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
    )
    assert Identity.from_der(peer.chain, secret, b"secret").chain == peer.chain


def test_objects_of_the_library() -> None:
    peer = leaf(issuer=intermediate())
    identity = Identity([issued.certificate for issued in peer.path[:2]], peer.key)
    assert identity.chain == peer.chain
    assert identity.certificate == peer.certificate


def test_files(tmp_path: Path) -> None:
    peer = leaf()
    both, chain, private = tmp_path / "both.pem", tmp_path / "chain.pem", tmp_path / "key.pem"
    both.write_bytes(peer.chain_pem)
    chain.write_bytes(peer.pem)
    private.write_bytes(key_pem(peer.key, b"secret"))
    assert Identity.from_files(both).chain == peer.chain
    assert Identity.from_files(str(chain), private, "secret").chain == peer.chain
    assert Identity.from_files(certfile=chain, keyfile=private, password=b"secret").names


@pytest.mark.parametrize("password", [None, b"secret"])
def test_pkcs12(password: bytes | None) -> None:
    peer = leaf(issuer=intermediate("second", issuer=intermediate("first")))
    protection: Any = BestAvailableEncryption(password) if password else NoEncryption()
    others = [peer.path[2].certificate, peer.path[1].certificate]  # in the wrong order
    data = pkcs12.serialize_key_and_certificates(
        b"name", peer.key, peer.certificate, others, protection
    )
    assert Identity.from_pkcs12(data, password).chain == peer.chain
    if password:
        with pytest.raises(UsageError, match="PKCS #12") as caught:
            Identity.from_pkcs12(data)
        assert "password" in (caught.value.hint or "")
        with pytest.raises(UsageError, match="PKCS #12"):
            Identity.from_pkcs12(data, "wrong")


def test_a_pkcs12_without_a_key() -> None:
    peer = leaf()
    data = pkcs12.serialize_key_and_certificates(
        b"name", None, peer.certificate, None, NoEncryption()
    )
    with pytest.raises(UsageError, match="no private key"):
        Identity.from_pkcs12(data)
    with pytest.raises(UsageError, match="cannot be read"):
        Identity.from_pkcs12(b"garbage")


# -- what does not fit -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (
            "p384",
            "is an ECDSA key on P-256, and the key given is an ECDSA key on P-384: not a pair",
        ),
        ("rsa", "and the key given is an RSA key of 2048 bits: not a pair"),
        ("ed25519", "and the key given is an Ed25519 key: not a pair"),
    ],
)
def test_a_key_of_another_kind(other: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        Identity(leaf().chain, key(other))
    assert "reissued with a new key" in (caught.value.hint or "")
    assert isinstance(caught.value, ValueError)


def test_another_key_of_the_same_kind() -> None:
    with pytest.raises(
        UsageError, match="is an ECDSA key on P-256, and the key given is another"
    ) as caught:
        Identity.from_pem(leaf().pem, key=key_pem(key("p256", 1)))
    assert "reissued" in (caught.value.hint or "")


def test_the_leaf_stands_first() -> None:
    peer = leaf(issuer=intermediate())
    with pytest.raises(UsageError, match="not a pair") as caught:
        Identity(peer.chain[::-1], peer.key)
    assert "has to stand first" in (caught.value.hint or "")


@pytest.mark.parametrize("data", [b"the master key: hunter2", bytes(range(128, 160)), b"A" * 32])
def test_what_is_no_pem_is_not_shown(data: bytes) -> None:
    """It may be a key, and errors go into logs."""
    peer = leaf()
    for arguments in ((data,), (peer.pem, data)):
        with pytest.raises(UsageError) as caught:
            Identity.from_pem(*arguments)
        text = "".join(traceback.format_exception(caught.value))
        for start in range(len(data) - 8):
            part = data[start : start + 8]
            assert part.decode("latin-1") not in text
            assert repr(part)[2:-1] not in text
            assert part.hex() not in text


@pytest.mark.parametrize("kind", ["secp256k1", "dsa"])
def test_keys_that_tls_has_no_scheme_for(kind: str) -> None:
    with pytest.raises(UsageError, match="no signature scheme for a") as caught:
        Identity(leaf(key_kind=kind).chain, key(kind))
    assert "P-256" in (caught.value.hint or "")


def test_pem_without_what_is_needed() -> None:
    peer = leaf()
    cases: list[tuple[bytes, bytes | None, str, str | None]] = [
        (b"", None, "the PEM has no certificate", "empty"),
        (b"hello", None, "the PEM has no certificate", "It has 5 bytes of text, and no line"),
        (peer.der, None, "the PEM has no certificate", "DER"),
        (b"\x80 binary", None, "the PEM has no certificate", "It has 8 bytes of binary data"),
        (b"ssh-ed25519 AAAA", None, "the PEM has no certificate", "a public key of OpenSSH's"),
        (b"\n<!DOCTYPE html>", None, "the PEM has no certificate", "looks like HTML"),
        (peer.pem[:-20], None, "the PEM has no certificate", "not the one that ends the block"),
        (peer.pem.decode().encode("utf-16"), None, "the PEM has no certificate", "UTF-16"),
        (peer.key_pem, None, "the PEM has no certificate", "It holds PRIVATE KEY."),
        (peer.pem, None, "the PEM has no private key", "It holds CERTIFICATE."),
        (peer.pem, b"", "the key has no private key", "empty"),
        (peer.chain_pem + key_pem(key("rsa")), None, "has 2 private keys", None),
        (
            b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n",
            None,
            "certificate 1 in the PEM cannot be read",
            None,
        ),
        (
            peer.pem + b"-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n",
            None,
            "the private key in the PEM cannot be read",
            None,
        ),
    ]
    for data, private, message, hint in cases:
        with pytest.raises(UsageError, match=message) as caught:
            Identity.from_pem(data, key=private)
        if hint is not None:
            assert hint in (caught.value.hint or "")


def test_passwords_that_are_missing_or_wrong() -> None:
    data = leaf().pem + key_pem(leaf().key, b"secret")
    with pytest.raises(UsageError, match="the private key in the PEM is encrypted") as caught:
        Identity.from_pem(data)
    assert caught.value.hint == "Give password=."
    with pytest.raises(UsageError, match="cannot be read") as caught:
        Identity.from_pem(data, "wrong")
    assert "password may be wrong" in (caught.value.hint or "")


def test_files_that_are_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chain = tmp_path / "chain.pem"
    chain.write_bytes(leaf().pem)
    with pytest.raises(UsageError, match=r"certfile '.*none\.pem': No such file") as caught:
        Identity.from_files(tmp_path / "none.pem")
    assert isinstance(caught.value.__cause__, FileNotFoundError)
    assert caught.value.filename == str(tmp_path / "none.pem")
    with pytest.raises(UsageError, match=r"keyfile '.*none\.pem': No such file"):
        Identity.from_files(chain, tmp_path / "none.pem")
    with pytest.raises(UsageError, match=r"certfile '.*chain\.pem' has no private key"):
        Identity.from_files(chain)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"certfile 'none\.pem'") as caught:
        Identity.from_files("none.pem")
    assert str(tmp_path) in (caught.value.hint or "")


def test_other_arguments_that_cannot_be_right() -> None:
    peer = leaf()
    with pytest.raises(UsageError, match="at least one certificate"):
        Identity([], peer.key)
    with pytest.raises(UsageError, match="a list of certificates"):
        Identity(peer.der, peer.key)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="certificate 1 of the chain is not DER"):
        Identity([peer.pem], peer.key)
    with pytest.raises(UsageError, match="with sign"):
        Identity(peer.chain, None)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="the private key in the key cannot be read"):
        Identity.from_der(peer.chain, b"garbage")


# -- names -----------------------------------------------------------------------------------------


def test_names() -> None:
    identity = leaf("Example.COM", "*.example.com", "192.0.2.1", "2001:db8::1").identity
    assert identity.names == ("example.com", "*.example.com", "192.0.2.1", "2001:db8::1")
    for name in ("example.com", "EXAMPLE.com", "example.com.", "www.example.com", "192.0.2.1"):
        assert identity.matches(name), name
    assert identity.matches("2001:DB8:0::1")
    for name in ("", ".", "a.b.example.com", "other.example", "192.0.2.2", "\0", "x" * 300):
        assert not identity.matches(name), name
    assert "example.com" in repr(identity)
    assert leaf("alice", alternative_names=False).identity.names == ()
    assert "alice" in repr(leaf("alice", alternative_names=False).identity)


# -- signers ---------------------------------------------------------------------------------------


class Far:
    """A signer that answers later."""

    def __init__(self, private_key: Any) -> None:
        self.key = private_key

    async def sign(self, data: bytes, scheme: SignatureScheme) -> bytes:
        return signatures.sign(self.key, scheme, data)


class Choosy(Far):
    schemes = (S.ed25519, S.rsa_pss_rsae_sha512, S.rsa_pss_rsae_sha256, S.rsa_pkcs1_sha256)


def test_a_signer_that_is_far_away() -> None:
    peer = leaf()
    identity = Identity(peer.chain, Far(peer.key))
    assert isinstance(identity.signer, Signer)
    assert identity.schemes == SCHEMES["p256"]
    pending = identity.sign(b"data", identity.schemes[0])
    assert isinstance(pending, Awaitable)
    with pytest.raises(StopIteration) as caught:
        pending.__await__().send(None)
    signatures.verify(peer.key.public_key(), identity.schemes[0], caught.value.value, b"data")


def test_a_signer_says_what_it_can() -> None:
    peer = leaf(key_kind="rsa")
    identity = Identity(peer.chain, Choosy(peer.key))
    assert identity.schemes == (S.rsa_pss_rsae_sha512, S.rsa_pss_rsae_sha256)
    assert identity.schemes12 == (
        S.rsa_pss_rsae_sha512,
        S.rsa_pss_rsae_sha256,
        S.rsa_pkcs1_sha256,
    )
    with pytest.raises(UsageError, match="among the signer's schemes"):
        Identity(leaf().chain, Choosy(peer.key))


def test_a_recorder_sees_the_signatures_of_a_local_key() -> None:
    class Recorder(Primitives):
        def sign(self, private_key: Any, scheme: int, data: bytes) -> bytes:
            return b"recorded"

    identity = leaf().identity
    assert isinstance(identity.signer, LocalSigner)
    assert identity.sign(b"data", identity.schemes[0], Recorder()) == b"recorded"
    own = Identity(leaf().chain, LocalSigner(leaf().key, Recorder()))
    assert own.sign(b"data", own.schemes[0]) == b"recorded"


def test_a_local_signer_is_checked_against_the_certificate_too() -> None:
    with pytest.raises(UsageError, match="not a pair"):
        Identity(leaf().chain, LocalSigner(key("p256", 1)))


# -- staples ---------------------------------------------------------------------------------------


def test_staples_and_timestamps() -> None:
    peer = leaf()
    identity = Identity(peer.chain, peer.key, staple=b"response", scts=[b"one", b"two"])
    assert (identity.staple, identity.scts) == (b"response", (b"one", b"two"))
    renewed = identity.with_staple(b"another")
    assert (renewed.staple, renewed.scts) == (b"another", (b"one", b"two"))
    assert renewed.chain == identity.chain
    assert identity.with_staple(None, ()).scts == ()
    far = Identity(peer.chain, Far(peer.key)).with_staple(b"response")
    assert isinstance(far.signer, Far)


def test_an_identity_does_not_change() -> None:
    identity = leaf().identity
    with pytest.raises(AttributeError):
        identity.staple = b""  # type: ignore[misc]


def test_a_root_may_be_an_identity() -> None:
    root = authority()
    assert Identity([root.certificate], root.key).names == ()
