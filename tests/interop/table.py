"""Which feature is tried with which peer, in which direction; and where it is not, why not.

One row for each feature, two directions, one cell for each peer: a scenario that is run, or the
reason why there is nothing to run. ``client`` is our client at the peer's server, ``server`` our
server with the peer's client. test_features.py runs the scenarios; what the other files of this
folder run counts as well, by the names of their tests. pytest prints the whole when it is done.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass

from .bench import Bench
from .peers import ALSO, PEERS
from .scenarios import boringssl, every, gnutls, go, nss, openssl, pyopenssl, rustls, stdlib, web

Scenario = Callable[[Bench], Awaitable[None]]
Row = dict[str, "Scenario | str"]
"""What is done with each peer, by its name; a text is the reason why nothing is."""

NAMES = tuple(peer.name for peer in (*PEERS, *ALSO))
DIRECTIONS = ("client", "server")


def all_with(scenario: Scenario, **other: Scenario | str) -> Row:
    """The same with every peer but for some."""
    return {name: scenario for name in NAMES} | other


def with_some(reason: str, **some: Scenario | str) -> Row:
    """Something with some of the peers, and the same reason for all others."""
    return {name: reason for name in NAMES} | some


NO_SERVER = {"curl": "is a client alone"}
ONE_CONNECTION = "its interface makes one connection of a session"
UNTRIED = "has it, and no scenario tries it yet"
UNUSED = "its interface does not have it"
LIBRARY = "libssl has it, this peer's interface does not"
NO_CACHE = "rtls makes each connection anew, with ticket keys and a cache of its own"
NO_TICKETS_13 = "utls hands out no tickets of TLS 1.3"
NO_TICKETS_12 = "curl switches off tickets of TLS 1.2: see session ids"

TABLE: dict[str, dict[str, Row]] = {
    "TLS 1.2": {
        "client": all_with(every.speaks_tls12_as_client, **NO_SERVER),
        "server": all_with(every.speaks_tls12_as_server),
    },
    "TLS 1.2 client certificates": {
        "client": all_with(every.shows_a_certificate_in_tls12, **NO_SERVER),
        "server": all_with(every.asks_for_a_certificate_in_tls12),
    },
    "resumption, TLS 1.3": {
        "client": all_with(every.resumes_tls13, rustls=rustls.resumes_tls13, **NO_SERVER),
        "server": all_with(every.is_resumed_in_tls13, rustls=NO_CACHE, boringssl=NO_TICKETS_13),
    },
    "resumption, TLS 1.2 tickets": {
        "client": all_with(every.resumes_tls12, rustls=rustls.resumes_tls12, **NO_SERVER),
        "server": all_with(every.is_resumed_in_tls12, curl=NO_TICKETS_12, rustls=NO_CACHE),
    },
    "resumption, TLS 1.2 session ids": {
        "client": with_some(
            "prefers tickets where they are offered",
            openssl=openssl.resumes_by_session_id,
            nss="prefers tickets where they are offered",
        )
        | NO_SERVER,
        "server": all_with(every.is_resumed_by_session_id, rustls=NO_CACHE),
    },
    "0-RTT": {
        "client": with_some(
            LIBRARY,
            openssl=openssl.takes_early_data,
            gnutls=gnutls.takes_early_data,
            nginx=web.nginx_takes_early_data,
            go="crypto/tls has 0-RTT for QUIC alone",
            rustls="rtls does not switch it on",
            boringssl="utls does not switch it on",
            java="JSSE has no 0-RTT",
            nss="selfserv refuses it in its first ten seconds: see the next line",
            **NO_SERVER,
        ),
        "server": with_some(
            LIBRARY,
            openssl=openssl.sends_early_data,
            gnutls=gnutls.sends_early_data,
            go="crypto/tls has 0-RTT for QUIC alone",
            rustls="rtls does not switch it on",
            boringssl="utls does not switch it on",
            java="JSSE has no 0-RTT",
            nss=nss.sends_early_data,
        ),
    },
    "0-RTT refused and sent again": {
        "client": with_some(
            "cannot be told to refuse what it has offered",
            openssl=openssl.refuses_early_data,
            nss=nss.refuses_early_data,
            **NO_SERVER,
        ),
        "server": with_some(
            "does not send again by itself",
            nss=nss.sends_early_data_again,
        ),
    },
    "external pre-shared keys": {
        "client": with_some(
            UNUSED,
            openssl=openssl.server_knows_a_key,
            gnutls=gnutls.server_knows_a_key,
            go="crypto/tls has none",
            java="JSSE has none",
            node="its keys are those of TLS 1.2 alone",
            nss="selfserv takes none, from tstclnt neither",
            **NO_SERVER,
        ),
        "server": with_some(
            UNUSED,
            openssl=openssl.client_knows_a_key,
            gnutls=gnutls.client_knows_a_key,
            go="crypto/tls has none",
            java="JSSE has none",
            node="its keys are those of TLS 1.2 alone",
            nss=nss.client_knows_a_key,
        ),
    },
    "post-handshake authentication": {
        "client": with_some(
            UNUSED,
            openssl=openssl.asks_later,
            stdlib=stdlib.asks_later,
            pyopenssl=UNTRIED,
            gnutls="gnutls-serv asks by a line that its echo mode does not take",
            go="crypto/tls refuses it",
            rustls="rustls refuses it",
            boringssl="BoringSSL refuses it",
            java="JSSE refuses it",
            nss=nss.asks_later,
            **NO_SERVER,
        ),
        "server": with_some(
            UNUSED,
            openssl=openssl.answers_later,
            gnutls=gnutls.answers_later,
            stdlib=stdlib.answers_later,
            curl=UNTRIED,
            pyopenssl=UNTRIED,
            go="crypto/tls refuses it",
            rustls="rustls refuses it",
            boringssl="BoringSSL refuses it",
            java="JSSE refuses it",
            nss=nss.answers_later,
        ),
    },
    "OCSP staples": {
        "client": with_some(
            UNUSED,
            openssl=openssl.staples,
            gnutls=gnutls.staples,
            nginx=web.nginx_staples,
            go=go.staples,
            java="JSSE fetches its own from a responder, and has no place for one",
            pyopenssl=UNTRIED,
            node=UNTRIED,
            nss=nss.staples,
            **NO_SERVER,
        ),
        "server": with_some(
            UNUSED,
            openssl=openssl.takes_a_staple,
            gnutls=gnutls.takes_a_staple,
            go=go.takes_a_staple,
            curl=UNTRIED,
            pyopenssl=UNTRIED,
            node=UNTRIED,
            java=UNTRIED,
            nss=nss.takes_a_staple,
        ),
    },
    "certificate timestamps": {
        "client": with_some(
            UNUSED, go=go.staples, nss="selfserv has no place for them", **NO_SERVER
        ),
        "server": with_some(
            UNUSED,
            go=go.takes_a_staple,
            nss=nss.takes_a_staple,
        ),
    },
    "certificate compression": {
        "client": with_some(
            "its build or its version sends none", nss="its version, 3.87, has none", **NO_SERVER
        ),
        "server": with_some(
            "its build or its version asks for none",
            boringssl=boringssl.browsers_take_compressed_certificates,
            nss="its version, 3.87, has none",
        ),
    },
    "raw public keys": {
        "client": with_some(
            "its interface or its version has none",
            gnutls=gnutls.shows_a_raw_key,
            nss="has none",
            **NO_SERVER,
        ),
        "server": with_some(
            "its interface or its version has none",
            gnutls=gnutls.client_shows_a_raw_key,
            nss="has none",
        ),
    },
    "delegated credentials": {
        "client": with_some("has none", nss="selfserv cannot be given one", **NO_SERVER),
        "server": with_some(
            "has none",
            nss=nss.takes_a_delegated_key,
        ),
    },
    "record_size_limit": {
        "client": with_some(
            "has none", gnutls=gnutls.keeps_to_our_limit, nss=nss.keeps_to_our_limit, **NO_SERVER
        ),
        "server": with_some(
            "has none",
            gnutls=gnutls.client_keeps_to_our_limit,
            nss=nss.client_keeps_to_our_limit,
        ),
    },
    "exporters": {
        "client": with_some(
            UNUSED,
            openssl=openssl.exports_as_server,
            gnutls=UNTRIED,
            pyopenssl=pyopenssl.exports_as_server,
            go=go.exports_as_server,
            node=UNTRIED,
            nss=nss.exports_as_server,
            **NO_SERVER,
        ),
        "server": with_some(
            UNUSED,
            openssl=openssl.exports_as_client,
            gnutls=gnutls.exports_as_client,
            pyopenssl=pyopenssl.exports_as_client,
            go=go.exports_as_client,
            node=UNTRIED,
            nss=nss.exports_as_client,
        ),
    },
    "Encrypted Client Hello": {
        "client": with_some(
            UNUSED, go=go.takes_an_encrypted_hello, nss=nss.takes_an_encrypted_hello, **NO_SERVER
        ),
        "server": with_some(
            UNUSED,
            go=go.sends_an_encrypted_hello,
            nss=nss.sends_an_encrypted_hello,
        ),
    },
    "keys for Encrypted Client Hello that are gone": {
        "client": with_some(
            UNUSED, go=go.takes_an_encrypted_hello, nss=nss.takes_an_encrypted_hello, **NO_SERVER
        ),
        "server": with_some(UNUSED, nss=nss.is_told_our_newer_keys),
    },
    "tls-unique": {
        "client": with_some(
            UNUSED,
            gnutls=UNTRIED,
            pyopenssl=UNTRIED,
            stdlib=stdlib.binds_as_server,
            nss="its programs do not print it",
            **NO_SERVER,
        ),
        "server": with_some(
            UNUSED,
            gnutls=UNTRIED,
            pyopenssl=UNTRIED,
            stdlib=stdlib.binds_as_client,
            nss="its programs do not print it",
        ),
    },
}

ELSEWHERE: dict[str, tuple[str, ...]] = {
    "TLS 1.3 certificates": (
        "test_accepts_certificates_of_every_kind",
        "test_shows_certificates_of_every_kind",
    ),
    "TLS 1.3 cipher suites": ("test_speaks_each_cipher_suite",),
    "key exchange": ("test_agrees_on_keys_in_each_group", "test_insists_on_each_group"),
    "HelloRetryRequest": ("test_answers_a_retry_request", "test_asks_the_client_to_try_again"),
    "client certificates": (
        "test_shows_a_client_certificate",
        "test_asks_for_a_client_certificate",
    ),
    "ALPN": ("test_agrees_on_an_application_protocol",),
    "key update": ("test_renews_the_keys_of_both_directions", "test_follows_when"),
}
"""Features that test_client.py and test_server.py run, by how the names of their tests begin."""


@dataclass(frozen=True)
class Cell:
    """One feature with one peer in one direction."""

    feature: str
    direction: str
    peer: str


def scenarios() -> Iterator[tuple[Cell, Scenario]]:
    """What there is to run."""
    for feature, directions in TABLE.items():
        for direction, row in directions.items():
            for peer, what in row.items():
                if not isinstance(what, str):
                    yield Cell(feature, direction, peer), what


def identifier(cell: Cell) -> str:
    """How a test names its cell, and is found by it afterwards."""
    return f"{cell.feature}|{cell.direction}|{cell.peer}"


_HERE = re.compile(
    r"test_features\.py::test_feature\[(?:(?:asyncio|uvloop)-)?([^|\]]+)\|(\w+)\|(\w+)"
)
_THERE = re.compile(r"interop/test_(client|server)\.py::(\w+)\[(.*)\]")


def cell_of(node: str) -> Cell | None:
    """The cell that the test with this node id fills."""
    if found := _HERE.search(node):
        return Cell(*found.groups())
    if found := _THERE.search(node):
        direction, name, parameters = found.groups()
        peers = [word for word in parameters.split("-") if word in NAMES]
        for feature, beginnings in ELSEWHERE.items():
            if peers and name.startswith(beginnings):
                return Cell(feature, direction, peers[0])
    return None


def report(outcomes: Iterable[tuple[str, str]]) -> list[str]:
    """The table, from the node ids of tests and how they ended."""
    results: dict[Cell, list[str]] = {}
    for node, outcome in outcomes:
        if cell := cell_of(node):
            results.setdefault(cell, []).append(outcome)
    if not results:
        return []
    width = max(map(len, [*TABLE, *ELSEWHERE]))
    text = []
    for direction, title in zip(
        DIRECTIONS, ("our client, the peer's server", "our server, the peer's client"), strict=True
    ):
        text.append(f"{title:{width}}  " + " ".join(f"{name:9}" for name in NAMES))
        elsewhere = [f for f in ELSEWHERE if any(c.feature == f for c in results)]
        for feature in (*elsewhere, *TABLE):
            cells = [_word(Cell(feature, direction, name), results) for name in NAMES]
            text.append(f"{feature:{width}}  " + " ".join(f"{cell:9}" for cell in cells).rstrip())
        text.append("")
    text.append("'-' above the row TLS 1.2: the peer's class says that it cannot, or its reason")
    text.append("where there is nothing to run, '-':")
    for feature, directions in TABLE.items():
        for direction, row in directions.items():
            reasons: dict[str, list[str]] = {}
            for name, what in row.items():
                if isinstance(what, str):
                    reasons.setdefault(what, []).append(name)
            for reason, names in reasons.items():
                text.append(f"  {feature}, our {direction}: {', '.join(names)}: {reason}")
    return text


def _word(cell: Cell, results: dict[Cell, list[str]]) -> str:
    outcomes = results.get(cell)
    if outcomes is None:
        what = TABLE.get(cell.feature, {}).get(cell.direction, {}).get(cell.peer, "")
        return "-" if isinstance(what, str) else "not run"
    for bad in ("failed", "error", "skipped"):
        if bad in outcomes:
            return bad.upper()
    return "ran"
