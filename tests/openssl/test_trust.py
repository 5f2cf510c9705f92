"""An SSL_CTX that believes no one believes no one: an empty store is not the absence of one."""

from __future__ import annotations

from typing import Any

import pytest

from aiotls import openssl as o
from aiotls.openssl.settings import _NO_TRUST
from aiotls.openssl.verification import Judge
from tests import certificates

from .test_suspension import Link, contexts


def test_what_stands_for_trust_is_never_false() -> None:
    ssl: Any = o.SSL_new(contexts()[0])
    for trust in (Judge(ssl), _NO_TRUST):
        assert len(trust) == 0
        assert bool(trust)


def outcome(link: Link) -> set[int]:
    """The reasons for which the two sides fail; empty where they do not."""
    reasons = set()
    for _ in range(6):
        for ssl in (link.client, link.server):
            ret = o.SSL_do_handshake(ssl)
            if ret == 1:
                o.SSL_read(ssl, bytearray(1), 0)
            while code := o.ERR_get_error():
                reasons.add(o.ERR_GET_REASON(code))
    return reasons


@pytest.mark.parametrize("version", [o.TLS1_2_VERSION, o.TLS1_3_VERSION])
def test_a_client_without_anchors_refuses_every_server(version: int) -> None:
    _, server = contexts()
    client: Any = o.SSL_CTX_new(o.TLS_client_method())
    o.SSL_CTX_set_max_proto_version(client, version)
    o.SSL_CTX_set_verify(client, o.SSL_VERIFY_PEER, None)
    assert o.SSL_R_CERTIFICATE_VERIFY_FAILED in outcome(Link(client, server))


@pytest.mark.parametrize("version", [o.TLS1_2_VERSION, o.TLS1_3_VERSION])
def test_a_server_without_anchors_refuses_every_client(version: int) -> None:
    client, server = contexts()
    o.SSL_CTX_set_max_proto_version(client, version)
    issued = certificates.leaf("client", number=1)
    o.SSL_CTX_use_certificate(client, issued.certificate)
    o.SSL_CTX_use_PrivateKey(client, issued.key)
    o.SSL_CTX_set_verify(server, o.SSL_VERIFY_PEER, None)
    assert o.SSL_R_CERTIFICATE_VERIFY_FAILED in outcome(Link(client, server))
