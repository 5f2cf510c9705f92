"""The table of cipher suites."""

from __future__ import annotations

import hashlib

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from aiotls.crypto.suites import SUITES, TLS12_SUITES, TLS13_SUITES, Suite, suite_for
from aiotls.enums import CipherSuite, ProtocolVersion

every_suite = pytest.mark.parametrize("suite", SUITES.values(), ids=lambda suite: suite.code.name)


def test_every_suite_but_the_signalling_values_is_in_the_table() -> None:
    signals = {CipherSuite.TLS_EMPTY_RENEGOTIATION_INFO_SCSV, CipherSuite.TLS_FALLBACK_SCSV}
    assert set(SUITES) == set(CipherSuite) - signals


@every_suite
def test_the_row_says_what_the_name_says(suite: Suite) -> None:
    name = suite.code.name
    assert suite.aead is (AESGCM if "AES" in name else ChaCha20Poly1305)
    assert suite.bits == (128 if "AES_128" in name else 256)
    assert suite.hash_name == ("sha384" if name.endswith("SHA384") else "sha256")
    assert suite.version == (
        ProtocolVersion.TLSv1_2 if "_WITH_" in name else ProtocolVersion.TLSv1_3
    )
    signature = "ECDSA" if "_ECDSA_" in name else "RSA" if "_RSA_" in name else None
    assert suite.signature == signature


@every_suite
def test_the_lengths_are_those_of_the_algorithms(suite: Suite) -> None:
    assert suite.hash_length == hashlib.new(suite.hash_name).digest_size
    aead = suite.aead(bytes(suite.key_length))
    assert len(aead.encrypt(bytes(12), b"", b"")) == 16


@every_suite
def test_the_key_changes_well_before_the_limit_of_rfc_8446_section_5_5(suite: Suite) -> None:
    if suite.aead is AESGCM:
        assert suite.record_limit <= 2**24.5 / 2
    assert suite.record_limit < 2**48


def test_only_gcm_in_tls_1_2_has_a_salt_in_place_of_the_whole_nonce() -> None:
    salted = {suite.code for suite in SUITES.values() if suite.fixed_iv_length == 4}
    assert salted == {suite.code for suite in TLS12_SUITES if suite.aead is AESGCM}
    assert {suite.fixed_iv_length for suite in SUITES.values()} == {4, 12}


def test_aes_128_is_preferred() -> None:
    assert TLS13_SUITES[0].code == CipherSuite.TLS_AES_128_GCM_SHA256
    assert TLS12_SUITES[0].code == CipherSuite.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256


def test_openssl_s_names() -> None:
    assert [suite.openssl_name for suite in TLS13_SUITES] == [s.code.name for s in TLS13_SUITES]
    assert {suite.openssl_name for suite in TLS12_SUITES} == {
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-RSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        "ECDHE-RSA-CHACHA20-POLY1305",
    }


def test_looking_up_a_code_point() -> None:
    assert suite_for(0x1301) is TLS13_SUITES[0]
    assert suite_for(0x0A0A) is None
