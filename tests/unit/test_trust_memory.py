"""A store that remembers what it has verified gives no answer that it would not give otherwise."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from cryptography import x509

from aiotls import CertificateError, ClientConfig, RevocationLists, ServerConfig, TrustStore
from aiotls.enums import Alert
from aiotls.errors import UsageError
from aiotls.trust import store as store_module
from tests.certificates import CLIENT, DAY, NOW, SERVER, authority, intermediate, leaf
from tests.engine.pair import connect
from tests.unit.test_revocation import revocation_list

ROOT = authority()
MIDDLE = intermediate()
LEAF = leaf("localhost", "example.org", issuer=MIDDLE)


class Count:
    """How often a path was really worked out."""

    def __init__(self) -> None:
        self.value = 0


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Count:
    count = Count()
    ask = store_module._ask

    def counted(*arguments: Any) -> Any:
        count.value += 1
        return ask(*arguments)

    monkeypatch.setattr(store_module, "_ask", counted)
    return count


def remembering(paths: int = 256) -> TrustStore:
    return TrustStore([ROOT.certificate]).remembering(paths)


def test_a_chain_that_was_verified_is_not_verified_again(asked: Count) -> None:
    store = remembering()
    first = store.verify_server(LEAF.chain, "localhost", now=NOW)
    again = store.verify_server(LEAF.chain, "localhost", now=NOW)
    assert first == again == [LEAF.certificate, MIDDLE.certificate, ROOT.certificate]
    assert asked.value == 1
    again.clear()  # the caller's own
    assert store.verify_server(LEAF.chain, "localhost", now=NOW) == first


def test_a_store_remembers_nothing_unless_it_is_told_to(asked: Count) -> None:
    store = TrustStore([ROOT.certificate])
    other = store.remembering()
    for one in (other, store, store):
        one.verify_server(LEAF.chain, "localhost", now=NOW)
    assert asked.value == 3
    assert store.fingerprint == other.fingerprint
    assert len(other) == 1


def test_another_name_is_another_question(asked: Count) -> None:
    store = remembering()
    store.verify_server(LEAF.chain, "localhost", now=NOW)
    store.verify_server(LEAF.chain, "example.org", now=NOW)
    store.verify_server(LEAF.chain, None, now=NOW)
    assert asked.value == 3
    with pytest.raises(CertificateError):
        store.verify_server(LEAF.chain, "example.com", now=NOW)


def test_any_name_remembered_is_not_the_name_that_looks_like_it() -> None:
    store = remembering()
    store.verify_server(LEAF.chain, None, now=NOW)
    for name in ("*", "None", "=localhost", "nowhere.example"):
        with pytest.raises((CertificateError, UsageError)):
            store.verify_server(LEAF.chain, name, now=NOW)


def test_another_role_is_another_question() -> None:
    server = leaf("localhost", issuer=MIDDLE, purposes=(SERVER,))
    client = leaf("localhost", issuer=MIDDLE, purposes=(CLIENT,), number=1)
    store = remembering()
    store.verify_server(server.chain, "localhost", now=NOW)
    store.verify_client(client.chain, now=NOW)
    with pytest.raises(CertificateError):
        store.verify_client(server.chain, now=NOW)
    with pytest.raises(CertificateError):
        store.verify_server(client.chain, "localhost", now=NOW)
    with pytest.raises(CertificateError):
        store.verify_server(client.chain, None, now=NOW)


def test_nothing_is_remembered_past_the_end_of_any_certificate_on_the_path() -> None:
    short = intermediate(ends=NOW + DAY)
    for peer in (leaf("localhost", issuer=short), leaf("localhost", ends=NOW + DAY)):
        store = remembering()
        store.verify_server(peer.chain, "localhost", now=NOW)
        store.verify_server(peer.chain, "localhost", now=NOW + DAY)
        with pytest.raises(CertificateError, match="expired"):
            store.verify_server(
                peer.chain, "localhost", now=NOW + DAY + datetime.timedelta(seconds=1)
            )


def test_nothing_is_remembered_before_the_beginning_of_a_certificate() -> None:
    store = remembering()
    store.verify_server(LEAF.chain, "localhost", now=NOW)
    with pytest.raises(CertificateError):
        store.verify_server(LEAF.chain, "localhost", now=NOW - 20 * DAY)


def test_a_refusal_is_not_remembered(asked: Count) -> None:
    store = remembering()
    for _ in range(2):
        with pytest.raises(CertificateError):
            store.verify_server(LEAF.chain, "example.com", now=NOW)
    assert asked.value == 2


def test_chains_that_are_cut_otherwise_are_other_chains(asked: Count) -> None:
    store = remembering()
    store.verify_server(LEAF.chain, "localhost", now=NOW)
    with pytest.raises(CertificateError):
        store.verify_server([LEAF.der], "localhost", now=NOW)
    store.verify_server([*LEAF.chain, ROOT.der], "localhost", now=NOW)
    with pytest.raises(CertificateError):
        store.verify_server([b"".join(LEAF.chain)], "localhost", now=NOW)


def test_the_memory_is_bounded_and_the_oldest_is_forgotten(asked: Count) -> None:
    store = remembering(2)
    peers = [leaf("localhost", issuer=MIDDLE, number=number) for number in range(3)]
    for peer in peers:
        store.verify_server(peer.chain, "localhost", now=NOW)
    assert store._memory is not None
    assert len(store._memory) == 2
    store.verify_server(peers[2].chain, "localhost", now=NOW)
    assert asked.value == 3
    store.verify_server(peers[0].chain, "localhost", now=NOW)
    assert asked.value == 4


def test_a_memory_of_no_size_cannot_be() -> None:
    for paths in (0, -1):
        with pytest.raises(UsageError):
            TrustStore([ROOT.certificate]).remembering(paths)


def test_revocation_and_hooks_are_asked_in_every_connection(asked: Count) -> None:
    seen: list[x509.Certificate] = []
    server = ServerConfig(identity=LEAF.identity)
    client = ClientConfig(
        trust=remembering(), session_cache=None, verify=lambda peer: seen.append(peer.certificate)
    )
    for _ in range(3):
        connect(client, server).check()
    assert asked.value == 1
    assert len(seen) == 3
    lists = RevocationLists([revocation_list(MIDDLE, LEAF)])
    pair = connect(client.replace(revocation=lists), server)
    assert isinstance(pair.client_error, CertificateError)
    assert pair.client_error.alert == Alert.CERTIFICATE_REVOKED
    assert asked.value == 1
