"""Key exchange: published results, both sides against each other, and every bad share."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, mlkem, x448, x25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from aiotls.crypto import groups
from aiotls.crypto.primitives import PRIMITIVES
from aiotls.enums import Alert, NamedGroup
from aiotls.errors import ProtocolError, UsageError
from tests.vectors import rfc8448

CURVES = (NamedGroup.SECP256R1, NamedGroup.SECP384R1, NamedGroup.SECP521R1)
MONTGOMERY = (NamedGroup.X25519, NamedGroup.X448)
HYBRIDS = (
    NamedGroup.X25519MLKEM768,
    NamedGroup.SECP256R1MLKEM768,
    NamedGroup.SECP384R1MLKEM1024,
)
KEMS = (NamedGroup.MLKEM768, NamedGroup.MLKEM1024)
# The lengths of RFC 8446, section 4.2.8.2, RFC 7748, draft-ietf-tls-mlkem, section 4, and
# draft-ietf-tls-ecdhe-mlkem, section 4.
LENGTHS = {
    NamedGroup.SECP256R1: (65, 65, 32),
    NamedGroup.SECP384R1: (97, 97, 48),
    NamedGroup.SECP521R1: (133, 133, 66),
    NamedGroup.X25519: (32, 32, 32),
    NamedGroup.X448: (56, 56, 56),
    NamedGroup.MLKEM768: (1184, 1088, 32),
    NamedGroup.MLKEM1024: (1568, 1568, 32),
    NamedGroup.SECP256R1MLKEM768: (1249, 1153, 64),
    NamedGroup.X25519MLKEM768: (1216, 1120, 64),
    NamedGroup.SECP384R1MLKEM1024: (1665, 1665, 80),
}

every_group = pytest.mark.parametrize("group", NamedGroup, ids=NamedGroup.label)
every_curve = pytest.mark.parametrize("group", CURVES, ids=NamedGroup.label)
every_montgomery = pytest.mark.parametrize("group", MONTGOMERY, ids=NamedGroup.label)
every_kem = pytest.mark.parametrize("group", KEMS, ids=NamedGroup.label)
every_hybrid = pytest.mark.parametrize("group", HYBRIDS, ids=NamedGroup.label)


def refused(group: int, share: bytes, *, by_client: bool = False) -> ProtocolError:
    """The error that a share leads to on the server, or on the client."""
    exchange = groups.generate(group)
    with pytest.raises(ProtocolError) as caught:
        exchange.agree(share) if by_client else groups.respond(group, share)
    assert caught.value.alert == Alert.ILLEGAL_PARAMETER
    assert caught.value.reason == "BAD_ECPOINT"
    named = group if group not in HYBRIDS else groups._HYBRIDS[group].classical
    assert any(NamedGroup.label(g) in str(caught.value) for g in (group, named))
    assert caught.value.__suppress_context__
    return caught.value


def refused_by_both(group: int, share: bytes) -> ProtocolError:
    refused(group, share, by_client=True)
    return refused(group, share)


# -- both sides ------------------------------------------------------------------------------------


@every_group
def test_both_sides_agree_and_the_lengths_are_right(group: NamedGroup) -> None:
    exchange = PRIMITIVES.generate(group)
    answer, secret = PRIMITIVES.respond(group, exchange.share)
    assert exchange.group == group
    assert exchange.agree(answer) == secret
    assert (len(exchange.share), len(answer), len(secret)) == LENGTHS[group]


@every_group
def test_no_key_is_used_twice(group: NamedGroup) -> None:
    first, second = groups.generate(group), groups.generate(group)
    assert first.share != second.share
    assert groups.respond(group, first.share)[0] != groups.respond(group, first.share)[0]


def test_the_sets_of_groups() -> None:
    assert set(NamedGroup) == groups.GROUPS
    assert set(CURVES + MONTGOMERY) == groups.TLS12_GROUPS


def test_a_group_that_is_not_implemented_is_the_caller_s_mistake() -> None:
    with pytest.raises(UsageError, match="GREASE"):
        groups.generate(0x0A0A)
    with pytest.raises(UsageError, match="0x0100"):
        groups.respond(0x0100, b"")


# -- published results -----------------------------------------------------------------------------


RFC7748 = [
    (  # section 6.1
        NamedGroup.X25519,
        x25519.X25519PrivateKey,
        "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
        "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
        "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
        "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f",
        "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742",
    ),
    (  # section 6.2
        NamedGroup.X448,
        x448.X448PrivateKey,
        "9a8f4925d1519f5775cf46b04b5800d4ee9ee8bae8bc5565d498c28dd9c9baf5"
        "74a9419744897391006382a6f127ab1d9ac2d8c0a598726b",
        "9b08f7cc31b7e3e67d22d5aea121074a273bd2b83de09c63faa73d2c22c5d9bb"
        "c836647241d953d40c5b12da88120d53177f80e532c41fa0",
        "1c306a7ac2a0e2e0990b294470cba339e6453772b075811d8fad0d1d6927c120"
        "bb5ee8972b0d3e21374c9c921b09d1b0366f10b65173992d",
        "3eb7a829b0cd20f5bcfc0b599b6feccf6da4627107bdb0d4f345b43027d8b972"
        "fc3e34fb4232a13ca706dcb57aec3dae07bdc1c67bf33609",
        "07fff4181ac6cc95ec1c16a94a0f74d12da232ce40a77552281d282bb60c0b56"
        "fd2464c335543936521c24403085d59a449a5037514a879d",
    ),
]


@pytest.mark.parametrize("vector", RFC7748, ids=["X25519", "X448"])
def test_the_vectors_of_rfc_7748_section_6(
    vector: tuple[NamedGroup, Any, *tuple[str, ...]],
) -> None:
    group, private_key, *texts = vector
    a, a_public, b, b_public, secret = (bytes.fromhex(text) for text in texts)
    alice = groups.MontgomeryKeyExchange(group, private_key.from_private_bytes(a))
    bob = groups.MontgomeryKeyExchange(group, private_key.from_private_bytes(b))
    assert (alice.share, bob.share) == (a_public, b_public)
    assert alice.agree(bob.share) == bob.agree(alice.share) == secret


@pytest.mark.parametrize("name", ["simple_1rtt", "client_authentication"])
def test_the_x25519_shares_and_secrets_of_rfc_8448(name: str) -> None:
    trace = rfc8448(name)
    sides = []
    for actor in ("client", "server"):
        fields = trace.find(actor, "create an ephemeral x25519 key pair").fields
        key = x25519.X25519PrivateKey.from_private_bytes(fields["private key"])
        side = groups.MontgomeryKeyExchange(NamedGroup.X25519, key)
        assert side.share == fields["public key"]
        sides.append(side)
    client, server = sides
    secret = trace.find("server", 'extract secret "handshake"').fields["IKM"]
    assert client.agree(server.share) == server.agree(client.share) == secret


def test_the_p256_shares_and_secret_of_rfc_8448_section_5() -> None:
    trace = rfc8448("hello_retry_request")
    sides = []
    for actor in ("client", "server"):
        fields = trace.find(actor, "create an ephemeral P-256 key pair").fields
        number = int.from_bytes(fields["private key"], "big")
        key = ec.derive_private_key(number, ec.SECP256R1())
        side = groups.WeierstrassKeyExchange(NamedGroup.SECP256R1, key)
        assert side.share == fields["public key"]
        sides.append(side)
    client, server = sides
    secret = trace.find("server", 'extract secret "handshake"').fields["IKM"]
    assert client.agree(server.share) == server.agree(client.share) == secret


@every_curve
def test_a_secret_keeps_its_leading_zeros(group: NamedGroup) -> None:
    """RFC 8446, section 7.4.2: the x-coordinate as a string of the field's length."""
    curve = groups._WEIERSTRASS[group].curve
    ours = groups.WeierstrassKeyExchange(group, ec.derive_private_key(1, curve))
    for scalar in range(1, 2000):
        key = ec.derive_private_key(scalar, curve)
        x = key.public_key().public_numbers().x
        length = LENGTHS[group][2]
        if x >> 8 * (length - 1):
            continue
        share = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        assert ours.agree(share) == x.to_bytes(length, "big")
        return
    pytest.fail("no such point found")


# -- hybrids: draft-ietf-tls-ecdhe-mlkem -----------------------------------------------------------


@every_hybrid
def test_the_halves_of_a_hybrid_stand_in_the_group_s_own_order(group: NamedGroup) -> None:
    """Section 4: ML-KEM first in X25519MLKEM768, the curve first in the others."""
    client = groups.HybridKeyExchange(group)
    answer, secret = groups.respond(group, client.share)
    length = len(client.classical.share)
    if group == NamedGroup.X25519MLKEM768:
        assert client.share[-length:] == client.classical.share
        point, ciphertext = answer[-length:], answer[:-length]
        shared, classical = secret[:32], secret[32:]
    else:
        assert client.share[:length] == client.classical.share
        point, ciphertext = answer[:length], answer[length:]
        classical, shared = secret[:-32], secret[-32:]
    assert client.classical.agree(point) == classical
    assert client._key.decapsulate(ciphertext) == shared


def test_the_classical_half_serves_as_a_share_of_its_own() -> None:
    """Section 3.2 of draft-ietf-tls-hybrid-design: the same key pair for both."""
    client = groups.HybridKeyExchange(NamedGroup.X25519MLKEM768)
    assert client.classical.group == NamedGroup.X25519
    assert client.share.endswith(client.classical.share)
    answer, secret = groups.respond(NamedGroup.X25519, client.classical.share)
    assert client.classical.agree(answer) == secret


@every_hybrid
def test_a_forged_ciphertext_gives_another_secret_and_no_error(group: NamedGroup) -> None:
    """FIPS 203, section 6.3: implicit rejection; the handshake fails at Finished."""
    client = groups.HybridKeyExchange(group)
    answer, secret = groups.respond(group, client.share)
    kem_first = group == NamedGroup.X25519MLKEM768
    position = 0 if kem_first else len(answer) - 1
    forged = bytearray(answer)
    forged[position] ^= 1
    assert client.agree(bytes(forged)) != secret


@every_hybrid
def test_a_decapsulation_that_fails_is_an_internal_error(group: NamedGroup) -> None:
    """draft-ietf-tls-ecdhe-mlkem, section 4.2: MUST, for any reason but a wrong length."""

    class Failing:
        def decapsulate(self, ciphertext: bytes) -> bytes:
            raise ValueError("out of entropy")

    client = groups.HybridKeyExchange(group)
    answer, _ = groups.respond(group, client.share)
    broken: Any = Failing()
    client._key = broken
    with pytest.raises(ProtocolError, match="out of entropy") as caught:
        client.agree(answer)
    assert caught.value.alert == Alert.INTERNAL_ERROR


# -- ML-KEM alone: draft-ietf-tls-mlkem ------------------------------------------------------------


@every_kem
def test_a_forged_ciphertext_for_ml_kem_gives_another_secret_and_no_error(
    group: NamedGroup,
) -> None:
    """FIPS 203, section 6.3: implicit rejection; the handshake fails at Finished."""
    client = groups.KemKeyExchange(group)
    answer, secret = groups.respond(group, client.share)
    forged = bytearray(answer)
    forged[0] ^= 1
    assert client.agree(answer) == secret
    assert client.agree(bytes(forged)) != secret


@every_kem
def test_an_ml_kem_key_alone_that_fails_the_modulus_check_is_refused(group: NamedGroup) -> None:
    """FIPS 203, section 7.2."""
    key = bytearray(groups.generate(group).share)
    key[0], key[1] = 3329 & 0xFF, key[1] & 0xF0 | 3329 >> 8
    assert "ML-KEM key that is not valid" in str(refused(group, bytes(key)))
    key[0], key[1] = 3328 & 0xFF, key[1] & 0xF0 | 3328 >> 8  # the largest that is reduced
    groups.respond(group, bytes(key))


def test_the_groups_that_hold_against_a_quantum_computer() -> None:
    assert {group for group in NamedGroup if groups.is_post_quantum(group)} == {*KEMS, *HYBRIDS}


# -- what a peer may not send ----------------------------------------------------------------------


@every_group
def test_a_share_of_the_wrong_length_is_refused(group: NamedGroup) -> None:
    client_length, server_length, _ = LENGTHS[group]
    client = groups.generate(group)
    answer, _ = groups.respond(group, client.share)
    for share in (b"", client.share[:-1], client.share + b"\0"):
        assert f"instead of {client_length}" in str(refused(group, share))
    for share in (b"", answer[:-1], answer + b"\0"):
        error = refused(group, share, by_client=True)
        assert f"instead of {server_length}" in str(error)


P25519 = 2**255 - 19
LOW_ORDER = [
    bytes(32),
    (1).to_bytes(32, "little"),
    (P25519 - 1).to_bytes(32, "little"),
    P25519.to_bytes(32, "little"),
    (P25519 + 1).to_bytes(32, "little"),
    bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
]


@pytest.mark.parametrize("share", LOW_ORDER, ids=bytes.hex)
def test_an_x25519_result_of_all_zeros_is_refused(share: bytes) -> None:
    """RFC 8446, section 7.4.2: a MUST, of both sides."""
    assert "all zeros" in str(refused_by_both(NamedGroup.X25519, share))


@pytest.mark.parametrize("share", [bytes(56), b"\1" + bytes(55)], ids=["0", "1"])
def test_an_x448_result_of_all_zeros_is_refused(share: bytes) -> None:
    assert "all zeros" in str(refused_by_both(NamedGroup.X448, share))


@every_curve
def test_a_point_that_is_not_on_the_curve_is_refused(group: NamedGroup) -> None:
    """RFC 8446, section 4.2.8.2: peers MUST validate each other's public value."""
    share = bytearray(groups.generate(group).share)
    share[-1] ^= 1
    assert "not a point on the curve" in str(refused_by_both(group, bytes(share)))


@every_curve
def test_a_coordinate_that_is_not_reduced_is_refused(group: NamedGroup) -> None:
    length = LENGTHS[group][0]
    refused_by_both(group, b"\4" + b"\xff" * (length - 1))


@every_curve
def test_the_point_at_infinity_is_refused(group: NamedGroup) -> None:
    length = LENGTHS[group][0]
    refused_by_both(group, b"\0")
    refused_by_both(group, bytes(length))
    refused_by_both(group, b"\4" + bytes(length - 1))


@every_curve
def test_a_compressed_point_is_refused(group: NamedGroup) -> None:
    """RFC 8446, section 4.2.8.2: legacy_form is always 4."""
    share = groups.generate(group).share
    compressed = bytes([2 + (share[-1] & 1)]) + share[1 : (len(share) + 1) // 2]
    assert "bytes long" in str(refused_by_both(group, compressed))


@every_curve
@pytest.mark.parametrize("form", [2, 3, 5, 6, 7])
def test_a_point_of_another_form_is_refused(group: NamedGroup, form: int) -> None:
    share = groups.generate(group).share
    changed = bytes([form]) + share[1:]
    assert "not an uncompressed point" in str(refused_by_both(group, changed))


def test_a_point_of_another_curve_is_refused() -> None:
    share = groups.generate(NamedGroup.SECP384R1).share
    refused_by_both(NamedGroup.SECP256R1, b"\4" + share[1:33] + share[49:81])


@every_hybrid
@pytest.mark.parametrize("coefficient", [3329, 4095])
def test_an_ml_kem_key_that_fails_the_modulus_check_is_refused(
    group: NamedGroup, coefficient: int
) -> None:
    """FIPS 203, section 7.2, which draft-ietf-tls-ecdhe-mlkem, section 4.2 makes a MUST."""
    client = groups.HybridKeyExchange(group)
    key = bytearray(client._key.public_key().public_bytes_raw())
    key[0] = coefficient & 0xFF
    key[1] = key[1] & 0xF0 | coefficient >> 8
    share = client._hybrid.join(bytes(key), client.classical.share)
    assert "ML-KEM key that is not valid" in str(refused(group, share))
    key[0], key[1] = 3328 & 0xFF, key[1] & 0xF0 | 3328 >> 8  # the largest that is reduced
    groups.respond(group, client._hybrid.join(bytes(key), client.classical.share))


def test_a_hybrid_with_an_x25519_half_of_low_order_is_refused() -> None:
    """draft-ietf-tls-ecdhe-mlkem, section 4.3: the check for zeros holds here too."""
    group = NamedGroup.X25519MLKEM768
    client = groups.HybridKeyExchange(group)
    refused(group, client.share[:-32] + bytes(32))
    answer, _ = groups.respond(group, client.share)
    with pytest.raises(ProtocolError) as caught:
        client.agree(answer[:-32] + bytes(32))
    assert caught.value.alert == Alert.ILLEGAL_PARAMETER


@pytest.mark.parametrize("group", HYBRIDS[1:], ids=NamedGroup.label)
def test_a_hybrid_with_a_point_that_is_not_on_the_curve_is_refused(group: NamedGroup) -> None:
    client = groups.HybridKeyExchange(group)
    length = len(client.classical.share)
    share = bytearray(client.share)
    share[length - 1] ^= 1
    refused(group, bytes(share))
    answer = bytearray(groups.respond(group, client.share)[0])
    answer[length - 1] ^= 1
    with pytest.raises(ProtocolError) as caught:
        client.agree(bytes(answer))
    assert caught.value.alert == Alert.ILLEGAL_PARAMETER


def test_the_sizes_of_ml_kem_are_those_of_the_table() -> None:
    for row in (*groups._KEMS.values(), *(hybrid.kem for hybrid in groups._HYBRIDS.values())):
        key = row.generate().public_key()
        assert isinstance(key, mlkem.MLKEM768PublicKey | mlkem.MLKEM1024PublicKey)
        assert len(key.public_bytes_raw()) == row.key_length
        assert len(key.encapsulate()[1]) == row.ciphertext_length


@given(data=st.data())
def test_no_share_whatever_raises_anything_else(data: st.DataObject) -> None:
    group = data.draw(st.sampled_from(NamedGroup))
    length = data.draw(st.sampled_from([*LENGTHS[group][:2], 0, 1, 31, 64]))
    share = data.draw(st.binary(min_size=length, max_size=length))
    exchange = groups.generate(group)
    for call in (exchange.agree, lambda share: groups.respond(group, share)):
        with contextlib.suppress(ProtocolError):
            call(share)
