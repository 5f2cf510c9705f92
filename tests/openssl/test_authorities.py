"""The authorities that a server names: SSL_CTX_set_client_CA_list(3); and the size of records."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from aiotls import UsageError
from aiotls import openssl as o
from tests import certificates

from . import libssl
from .test_serialization import shake
from .test_suspension import Link, contexts
from .world import OURS, THEIRS, Setup, context


def name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


NAMES = [name("first"), name("second")]
VERSIONS = pytest.mark.parametrize("version", [o.TLS1_2_VERSION, o.TLS1_3_VERSION])


@VERSIONS
def test_a_client_learns_whom_the_server_believes(version: int) -> None:
    client, server = contexts()
    o.SSL_CTX_set_max_proto_version(client, version)
    o.SSL_CTX_set_verify(server, o.SSL_VERIFY_PEER, None)
    assert o.SSL_CTX_get_client_CA_list(server) is None
    o.SSL_CTX_set_client_CA_list(server, NAMES)
    authority = certificates.authority().certificate
    assert o.SSL_CTX_add_client_CA(server, authority) == 1
    assert o.SSL_CTX_add_client_CA(server, None) == 0
    expected = [*NAMES, authority.subject]
    assert o.SSL_CTX_get_client_CA_list(server) == expected
    link = Link(client, server)
    assert o.SSL_get_client_CA_list(link.server) == expected
    assert o.SSL_get0_peer_CA_list(link.client) is None
    assert link.drive() == []
    assert o.SSL_get_client_CA_list(link.client) == expected
    assert o.SSL_get0_peer_CA_list(link.client) == expected


def test_a_connection_may_have_a_list_of_its_own() -> None:
    client, server = contexts()
    o.SSL_CTX_set_verify(server, o.SSL_VERIFY_PEER, None)
    o.SSL_CTX_set_client_CA_list(server, NAMES)
    link = Link(client, server)
    o.SSL_set_client_CA_list(link.server, [])
    assert o.SSL_add_client_CA(link.server, certificates.authority().certificate) == 1
    assert link.drive() == []
    assert o.SSL_get0_peer_CA_list(link.client) == [certificates.authority().certificate.subject]
    assert o.SSL_CTX_get_client_CA_list(server) == NAMES


@VERSIONS
def test_libssls_client_reads_the_list(version: int) -> None:
    setup = Setup(tls12=version == o.TLS1_2_VERSION, client_auth="optional")
    server, _ = context(OURS, True, setup)
    o.SSL_CTX_set_client_CA_list(server, NAMES)
    try:
        sides = shake(THEIRS, OURS, setup)
        names = libssl.SSL_get0_peer_CA_list(sides[0].ssl)
        assert names == [one.public_bytes() for one in NAMES]
        for side in sides:
            side.close()
    finally:
        o.SSL_CTX_set_client_CA_list(server, None)


def test_a_file_gives_each_name_once(tmp_path: Path) -> None:
    pem = certificates.authority().certificate.public_bytes(Encoding.PEM)
    file = tmp_path / "ca.pem"
    file.write_bytes(pem + pem)
    assert o.SSL_load_client_CA_file(str(file)) == [certificates.authority().certificate.subject]
    assert o.SSL_load_client_CA_file(str(tmp_path / "none.pem")) is None
    assert o.ERR_get_error()
    o.ERR_clear_error()


def test_what_is_no_name_is_refused() -> None:
    _, server = contexts()
    wrong: Any = ["CN=first"]
    with pytest.raises(TypeError, match=r"x509\.Name"):
        o.SSL_CTX_set_client_CA_list(server, wrong)
    with pytest.raises(UsageError, match="8192"):
        o.SSL_CTX_set_client_CA_list(server, [name(f"{n:060}") for n in range(200)])


def test_the_size_of_records() -> None:
    client, server = contexts()
    theirs = THEIRS.SSL_CTX_new(THEIRS.TLS_method())  # one of its own: it never forgets the least
    for size in (0, 511, 512, 4096, 16_384, 16_385, 1 << 20):
        expected = THEIRS.SSL_CTX_set_max_send_fragment(theirs, size)
        assert o.SSL_CTX_set_max_send_fragment(server, size) == expected, size
    THEIRS.SSL_CTX_free(theirs)
    o.SSL_CTX_set_max_send_fragment(server, 1024)
    link = Link(client, server)
    assert link.drive() == []
    assert o.SSL_write(link.server, bytes(5000), 5000) == 5000
    data = bytearray(5000)
    assert o.SSL_read(link.client, data, 5000) == 1024
    assert o.SSL_set_max_send_fragment(link.server, 100) == 0
