"""HPKE: the vectors of RFC 9180, another implementation, and every wrong key and ciphertext."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives import hpke as other
from cryptography.hazmat.primitives.asymmetric import ec, x25519

from aiotls.crypto import hpke
from aiotls.crypto.hpke import Aead, HpkeError, HpkeSuite, Kdf, Kem
from tests.vectors import load

VECTORS = load("rfc9180.json")["vectors"]
SUITE = HpkeSuite(Kem.DHKEM_X25519_HKDF_SHA256, Kdf.HKDF_SHA256, Aead.AES_128_GCM)
NIST = (Kem.DHKEM_P256_HKDF_SHA256, Kem.DHKEM_P384_HKDF_SHA384, Kem.DHKEM_P521_HKDF_SHA512)

every_vector = pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["title"])
every_kem = pytest.mark.parametrize("kem", Kem, ids=lambda kem: kem.name)
every_nist = pytest.mark.parametrize("kem", NIST, ids=lambda kem: kem.name)


def octets(text: str) -> bytes:
    return bytes.fromhex(text)


def suite_of(vector: dict[str, Any]) -> HpkeSuite:
    return HpkeSuite(vector["kem_id"], vector["kdf_id"], vector["aead_id"])


def pair(suite: HpkeSuite = SUITE, info: bytes = b"info") -> tuple[hpke.Sender, hpke.Receiver]:
    """Both ends of a fresh context."""
    key = hpke.generate_key_pair(suite.kem)
    enc, sender = hpke.setup_sender(suite, hpke.public_bytes(key), info)
    return sender, hpke.setup_receiver(suite, enc, key, info)


# -- RFC 9180, appendix A --------------------------------------------------------------------------


@every_vector
def test_the_receiver(vector: dict[str, Any]) -> None:
    suite = suite_of(vector)
    assert suite.supported
    key = hpke.load_private_key(suite.kem, octets(vector["skRm"]))
    assert hpke.public_bytes(key) == octets(vector["pkRm"])
    receiver = hpke.setup_receiver(suite, octets(vector["enc"]), key, octets(vector["info"]))
    for message in vector["encryptions"]:
        receiver.sequence = message["sequence_number"]
        assert receiver.open(octets(message["ct"]), octets(message["aad"])) == octets(message["pt"])
        assert receiver.sequence == message["sequence_number"] + 1


@pytest.mark.parametrize(
    "vector", [v for v in VECTORS if "ikmE" in v], ids=lambda vector: vector["title"]
)
def test_the_sender(vector: dict[str, Any]) -> None:
    suite, ikm = suite_of(vector), octets(vector["ikmE"])
    asked = []

    def random(length: int) -> bytes:
        asked.append(length)
        return ikm

    public, info = octets(vector["pkRm"]), octets(vector["info"])
    enc, sender = hpke.setup_sender(suite, public, info, random=random)
    assert enc == octets(vector["enc"])
    assert asked == [len(ikm)]
    for message in vector["encryptions"]:
        sender.sequence = message["sequence_number"]
        assert sender.seal(octets(message["pt"]), octets(message["aad"])) == octets(message["ct"])


@every_vector
def test_the_exported_secrets(vector: dict[str, Any]) -> None:
    suite = suite_of(vector)
    key = hpke.load_private_key(suite.kem, octets(vector["skRm"]))
    receiver = hpke.setup_receiver(suite, octets(vector["enc"]), key, octets(vector["info"]))
    assert vector["exports"]
    for export in vector["exports"]:
        value = receiver.export(octets(export["exporter_context"]), export["L"])
        assert value == octets(export["exported_value"])


@every_vector
def test_deriving_a_key_pair(vector: dict[str, Any]) -> None:
    for ikm, public in (("ikmR", "pkRm"), ("ikmE", "enc")):
        if ikm in vector:
            key = hpke.derive_key_pair(vector["kem_id"], octets(vector[ikm]))
            assert hpke.public_bytes(key) == octets(vector[public])


# -- against cryptography's own --------------------------------------------------------------------


KEMS = {
    Kem.DHKEM_P256_HKDF_SHA256: other.KEM.P256,
    Kem.DHKEM_P384_HKDF_SHA384: other.KEM.P384,
    Kem.DHKEM_P521_HKDF_SHA512: other.KEM.P521,
    Kem.DHKEM_X25519_HKDF_SHA256: other.KEM.X25519,
}
KDFS = {
    Kdf.HKDF_SHA256: other.KDF.HKDF_SHA256,
    Kdf.HKDF_SHA384: other.KDF.HKDF_SHA384,
    Kdf.HKDF_SHA512: other.KDF.HKDF_SHA512,
}
AEADS = {
    Aead.AES_128_GCM: other.AEAD.AES_128_GCM,
    Aead.AES_256_GCM: other.AEAD.AES_256_GCM,
    Aead.CHACHA20_POLY1305: other.AEAD.CHACHA20_POLY1305,
}


@every_kem
@pytest.mark.parametrize("kdf", Kdf, ids=lambda kdf: kdf.name)
@pytest.mark.parametrize("aead", Aead, ids=lambda aead: aead.name)
def test_every_suite_with_another_implementation(kem: Kem, kdf: Kdf, aead: Aead) -> None:
    suite = HpkeSuite(kem, kdf, aead)
    theirs = other.Suite(KEMS[kem], KDFS[kdf], AEADS[aead])
    key = hpke.generate_key_pair(kem)
    public = hpke.public_bytes(key)
    enc, sender = hpke.setup_sender(suite, public, b"info")
    assert theirs.decrypt(enc + sender.seal(b"hello", b""), key, b"info") == b"hello"
    message = theirs.encrypt(b"hello", key.public_key(), b"info")
    receiver = hpke.setup_receiver(suite, message[: len(public)], key, b"info")
    assert receiver.open(message[len(public) :], b"") == b"hello"


# -- contexts --------------------------------------------------------------------------------------


@every_kem
def test_a_context_goes_on_from_message_to_message(kem: Kem) -> None:
    sender, receiver = pair(HpkeSuite(kem, Kdf.HKDF_SHA256, Aead.CHACHA20_POLY1305))
    sealed = [sender.seal(b"same", b"aad") for _ in range(3)]
    assert len(set(sealed)) == 3
    assert {len(ciphertext) for ciphertext in sealed} == {4 + hpke.TAG_LENGTH}
    assert [receiver.open(ciphertext, b"aad") for ciphertext in sealed] == [b"same"] * 3
    assert sender.export(b"context", 50) == receiver.export(b"context", 50)


def test_a_message_that_does_not_open_leaves_the_context_as_it_was() -> None:
    sender, receiver = pair()
    first, second = sender.seal(b"1", b""), sender.seal(b"2", b"")
    changed = bytearray(first)
    changed[0] ^= 1
    for wrong, aad in ((bytes(changed), b""), (first, b"x"), (second, b""), (b"", b"")):
        with pytest.raises(HpkeError, match="does not open"):
            receiver.open(wrong, aad)
    assert receiver.open(first, b"") == b"1"
    assert receiver.open(second, b"") == b"2"


def test_another_info_is_another_context() -> None:
    key = hpke.generate_key_pair(SUITE.kem)
    enc, sender = hpke.setup_sender(SUITE, hpke.public_bytes(key), b"one")
    with pytest.raises(HpkeError):
        hpke.setup_receiver(SUITE, enc, key, b"two").open(sender.seal(b"", b""), b"")


def test_the_sequence_number_must_not_wrap() -> None:
    """RFC 9180, section 5.2: MessageLimitReachedError is a MUST."""
    sender, receiver = pair()
    sender.sequence = receiver.sequence = (1 << 96) - 2
    last = sender.seal(b"last", b"")
    assert receiver.open(last, b"") == b"last"
    with pytest.raises(HpkeError, match="as many messages"):
        sender.seal(b"one more", b"")
    with pytest.raises(HpkeError, match="as many messages"):
        receiver.open(last, b"")


def test_an_exported_secret_has_a_bound() -> None:
    """RFC 9180, section 5.3: 255 hashes."""
    sender, receiver = pair()
    assert sender.export(b"", 255 * 32) == receiver.export(b"", 255 * 32)
    assert sender.export(b"", 0) == b""
    for length in (-1, 255 * 32 + 1):
        with pytest.raises(ValueError, match=f"length={length}"):
            sender.export(b"", length)


# -- keys that are not valid -----------------------------------------------------------------------


@every_kem
def test_a_public_key_of_the_wrong_length_is_refused(kem: Kem) -> None:
    suite = HpkeSuite(kem, Kdf.HKDF_SHA256, Aead.AES_128_GCM)
    key = hpke.generate_key_pair(kem)
    public = hpke.public_bytes(key)
    for wrong in (b"", public[:-1], public + b"\0"):
        with pytest.raises(HpkeError, match="bytes long"):
            hpke.setup_sender(suite, wrong, b"")
        with pytest.raises(HpkeError, match="bytes long"):
            hpke.setup_receiver(suite, wrong, key, b"")


@every_nist
def test_a_point_that_is_not_on_the_curve_is_refused(kem: Kem) -> None:
    """RFC 9180, section 7.1.4: MUST."""
    suite = HpkeSuite(kem, Kdf.HKDF_SHA256, Aead.AES_128_GCM)
    key = hpke.generate_key_pair(kem)
    public = hpke.public_bytes(key)
    for wrong in (public[:-1] + bytes([public[-1] ^ 1]), b"\6" + public[1:], bytes(len(public))):
        with pytest.raises(HpkeError, match="not valid"):
            hpke.setup_sender(suite, wrong, b"")
        with pytest.raises(HpkeError, match="not valid"):
            hpke.setup_receiver(suite, wrong, key, b"")


@pytest.mark.parametrize("public", [bytes(32), b"\1" + bytes(31)], ids=["0", "1"])
def test_an_x25519_result_of_all_zeros_is_refused(public: bytes) -> None:
    """RFC 9180, section 7.1.4: MUST, of sender and receiver."""
    with pytest.raises(HpkeError, match="not valid"):
        hpke.setup_sender(SUITE, public, b"")
    with pytest.raises(HpkeError, match="not valid"):
        hpke.setup_receiver(SUITE, public, hpke.generate_key_pair(SUITE.kem), b"")


@every_nist
def test_a_private_key_out_of_range_is_refused(kem: Kem) -> None:
    """RFC 9180, section 7.1.2: DeserializePrivateKey."""
    length = {32: 32, 48: 48, 66: 66}[len(hpke.public_bytes(hpke.generate_key_pair(kem))) // 2]
    for wrong in (bytes(length), b"\xff" * length):
        with pytest.raises(HpkeError, match="order"):
            hpke.load_private_key(kem, wrong)
    with pytest.raises(HpkeError, match="bytes long"):
        hpke.load_private_key(kem, bytes(length - 1))


def test_a_private_key_of_another_mechanism_is_the_caller_s_mistake() -> None:
    p256 = HpkeSuite(Kem.DHKEM_P256_HKDF_SHA256, Kdf.HKDF_SHA256, Aead.AES_128_GCM)
    point = hpke.public_bytes(ec.generate_private_key(ec.SECP256R1()))
    with pytest.raises(TypeError, match="not one of secp256r1"):
        hpke.setup_receiver(p256, point, x25519.X25519PrivateKey.generate(), b"")
    with pytest.raises(TypeError, match="not one of X25519"):
        hpke.setup_receiver(SUITE, b"\x09" * 32, ec.generate_private_key(ec.SECP256R1()), b"")


def test_which_suites_are_supported() -> None:
    assert SUITE.supported
    for wrong in (HpkeSuite(0x21, 1, 1), HpkeSuite(0x20, 4, 1), HpkeSuite(0x20, 1, 0xFFFF)):
        assert not wrong.supported


def test_a_compressed_point_is_no_public_key() -> None:
    """RFC 9180, section 7.1.1: keys of NIST's curves are serialized uncompressed."""
    suite = HpkeSuite(Kem.DHKEM_P256_HKDF_SHA256, Kdf.HKDF_SHA256, Aead.AES_128_GCM)
    key = hpke.generate_key_pair(suite.kem)
    whole = hpke.public_bytes(key)
    compressed = bytes([2 | whole[-1] & 1]) + whole[1:33]
    for enc in (compressed, compressed + bytes(32)):
        with pytest.raises(HpkeError):
            hpke.setup_receiver(suite, enc, key, b"")
