"""Certificates with names that the library does not read, wherever they may come up."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from aiotls import ClientConfig, Identity, ServerConfig, TrustStore
from aiotls.config import ClientAuth
from aiotls.errors import CertificateError
from tests.certificates import DAY, NOW, Issued, authority, intermediate, leaf, with_odd_name
from tests.engine.pair import connect

ROOT = authority()


def odd(issued: Issued, signer: Issued = ROOT) -> bytes:
    return with_odd_name(issued, signer).public_bytes(Encoding.DER)


def trusting(*certificates: Any) -> TrustStore:
    return TrustStore(certificates, profile="private-pki")


GOOD = leaf("localhost", common_name="localhost.")
BELOW = leaf("localhost", issuer=intermediate())
EXPIRED = leaf("localhost", common_name="localhost.", begins=NOW - 30 * DAY, ends=NOW - 3 * DAY)
OWN = leaf("localhost", common_name="localhost.", self_signed=True)
KNOWN, UNKNOWN = trusting(ROOT.certificate), trusting(authority("another").certificate)
ODD = odd(GOOD)
LOCAL = "unable to get local issuer certificate"

CASES: dict[str, tuple[list[bytes], Any, TrustStore, str]] = {
    "a leaf's": ([ODD], GOOD.key, KNOWN, ""),
    "a leaf's, by a stranger": ([ODD], GOOD.key, UNKNOWN, LOCAL),
    "a leaf's that has expired": ([odd(EXPIRED)], EXPIRED.key, KNOWN, "certificate has expired"),
    "an intermediate's, which is another name": (
        [BELOW.der, odd(intermediate())],
        BELOW.key,
        KNOWN,
        LOCAL,
    ),
    "a leaf's that was self-signed": ([odd(OWN, OWN)], OWN.key, KNOWN, LOCAL),
    "an anchor's": ([ODD], GOOD.key, trusting(ODD), ""),
}


@pytest.mark.parametrize(("chain", "key", "trust", "refusal"), CASES.values(), ids=CASES)
@pytest.mark.parametrize("shown_by", ["server", "client"])
def test_odd_names(
    shown_by: str, chain: list[bytes], key: Any, trust: TrustStore, refusal: str
) -> None:
    identity = Identity(chain, key)
    if shown_by == "server":
        pair = connect(ClientConfig(trust=trust), ServerConfig(identity=identity))
        error = pair.client_error
    else:
        pair = connect(
            ClientConfig(trust=ROOT.trust, identity=identity),
            ServerConfig(
                identity=leaf("localhost").identity, trust=trust, client_auth=ClientAuth.REQUIRED
            ),
        )
        error = pair.server_error
    if not refusal:
        pair.check()
        return
    assert isinstance(error, CertificateError)
    assert str(error) == f"certificate verify failed: {refusal}"
    assert error.hint


def test_a_chain_is_put_in_order() -> None:
    """Whatever its names are."""
    below = leaf("localhost", issuer=intermediate())
    chain = [below.der, ROOT.der, intermediate().der, odd(GOOD)]
    assert Identity(chain, below.key).chain[0] == below.der
