"""Which feature is tried with which peer, in which direction; and where it is not, why not.

One row for each feature, two directions, one cell for each peer: a scenario that is run, or the
reason why there is nothing to run. ``client`` is our client at the peer's server, ``server`` our
server with the peer's client. test_features.py runs the scenarios; what the other files of this
folder run counts as well, by the names of their tests. report.py makes text of it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from .bench import Bench
from .peers import ALSO, PEERS
from .scenarios import (
    boringssl,
    chromium,
    every,
    gnutls,
    go,
    java,
    node,
    nss,
    openssl,
    pyopenssl,
    rustls,
    stdlib,
    web,
)

Scenario = Callable[[Bench], Awaitable[None]]
Row = dict[str, "Scenario | str"]
"""What is done with each peer, by its name; a text is the reason why nothing is."""

NAMES = tuple(peer.name for peer in (*PEERS, *ALSO))
DIRECTIONS = ("client", "server")


def row(scenario: Scenario | str = "", /, **some: Scenario | str) -> Row:
    """The same with every peer but for some; without a first argument each peer is named."""
    if unknown := set(some) - set(NAMES):
        raise KeyError(f"no such peers: {unknown}")
    return {name: some.get(name, scenario) for name in NAMES}


CLIENT = "is a client alone"
OLDER = "its OpenSSL is 3.0, which has none"
NO_NAME = "ssl has no name for it"
NO_BINDING = "its binding has no name for it"
NO_OPTION = "has no option for it"
GO = "crypto/tls has none"
RTLS = "rtls has no name for it"
UTLS = "utls has no name for it"
JSSE = "JSSE has none"
NODE = "node:tls has no name for it"
IN_HTTP = "is a client of HTTP, whose servers do not speak first"
PERSON = "leaves the choice of a certificate to a person"
NO_CACHE = "rtls makes each connection anew, with ticket keys and a cache of its own"

TABLE: dict[str, dict[str, Row]] = {
    "TLS 1.2": {
        "client": row(
            every.speaks_tls12_as_client,
            curl=CLIENT,
            chromium=CLIENT,
        ),
        "server": row(
            every.speaks_tls12_as_server,
            chromium=chromium.speaks_tls12,
        ),
    },
    "TLS 1.2 client certificates": {
        "client": row(
            every.shows_a_certificate_in_tls12,
            curl=CLIENT,
            chromium=CLIENT,
        ),
        "server": row(
            every.asks_for_a_certificate_in_tls12,
            chromium=PERSON,
        ),
    },
    "extended master secret": {
        "client": row(
            every.is_answered_with_the_extended_secret,
            curl=CLIENT,
            chromium=CLIENT,
        ),
        "server": row(
            every.answers_with_the_extended_secret,
            chromium=chromium.speaks_tls12,
        ),
    },
    "renegotiation, declined": {
        "client": row(
            openssl=openssl.asks_for_renegotiation,
            gnutls=gnutls.asks_for_renegotiation,
            curl=CLIENT,
            nginx="starts none",
            stdlib=NO_NAME,
            pyopenssl=pyopenssl.asks_for_renegotiation,
            go="crypto/tls starts none",
            rustls="rustls has none",
            boringssl="BoringSSL starts none",
            node=every.asks_for_renegotiation,
            java=every.asks_for_renegotiation,
            nss=nss.asks_for_renegotiation,
            chromium=CLIENT,
        ),
        "server": row(
            openssl=openssl.renegotiates,
            gnutls=gnutls.renegotiates,
            curl="starts none",
            nginx="starts none",
            stdlib=NO_NAME,
            pyopenssl=pyopenssl.renegotiates,
            go="crypto/tls starts none",
            rustls="rustls has none",
            boringssl="BoringSSL starts none",
            node=every.renegotiates,
            java=every.renegotiates,
            nss=nss.renegotiates,
            chromium="starts none",
        ),
    },
    "half-RTT data": {
        "client": row("is a server's"),
        "server": row(
            every.reads_half_rtt_data,
            curl=IN_HTTP,
            nginx=IN_HTTP,
            nss=IN_HTTP,
            chromium=IN_HTTP,
        ),
    },
    "resumption, TLS 1.3": {
        "client": row(
            every.resumes_tls13,
            rustls=rustls.resumes_tls13,
            curl=CLIENT,
            chromium=CLIENT,
        ),
        "server": row(
            every.is_resumed_in_tls13,
            rustls=NO_CACHE,
            boringssl="utls hands its application no tickets of TLS 1.3",
            chromium=chromium.loads_a_page,
        ),
    },
    "resumption from a store, TLS 1.3": {
        "client": row("is about what a server keeps"),
        "server": row(
            every.is_resumed_from_a_store,
            rustls=NO_CACHE,
            boringssl="utls hands its application no tickets of TLS 1.3",
            chromium=chromium.is_resumed_from_a_store,
        ),
    },
    "resumption, TLS 1.2 tickets": {
        "client": row(
            every.resumes_tls12,
            rustls=rustls.resumes_tls12,
            curl=CLIENT,
            chromium=CLIENT,
        ),
        "server": row(
            every.is_resumed_in_tls12,
            curl="switches off tickets of TLS 1.2: see session ids",
            rustls=NO_CACHE,
            chromium=chromium.speaks_tls12,
        ),
    },
    "resumption, TLS 1.2 session ids": {
        "client": row(
            every.resumes_by_session_id,
            openssl=openssl.resumes_by_session_id,
            gnutls=gnutls.resumes_by_session_id,
            curl=CLIENT,
            go="crypto/tls has tickets alone",
            rustls="rtls and granian give out tickets, and cannot be told not to",
            boringssl="utls gives out tickets, with OP_NO_TICKET too",
            chromium=CLIENT,
        ),
        "server": row(
            every.is_resumed_by_session_id,
            rustls=NO_CACHE,
            chromium=chromium.is_resumed_by_session_id,
        ),
    },
    "0-RTT": {
        "client": row(
            openssl=openssl.takes_early_data,
            gnutls=gnutls.takes_early_data,
            curl=CLIENT,
            nginx=web.nginx_takes_early_data,
            stdlib=NO_NAME,
            pyopenssl=pyopenssl.takes_early_data,
            go="crypto/tls has it for QUIC alone",
            rustls="rtls and granian do not switch it on",
            boringssl=UTLS,
            node=NODE,
            java=JSSE,
            nss="selfserv refuses it in its first ten seconds: see the next row",
            chromium=CLIENT,
        ),
        "server": row(
            openssl=openssl.sends_early_data,
            gnutls=gnutls.sends_early_data,
            curl=NO_OPTION,
            nginx="sends none to the servers behind it",
            stdlib=NO_NAME,
            pyopenssl=pyopenssl.sends_early_data,
            go="crypto/tls has it for QUIC alone",
            rustls="rtls does not switch it on",
            boringssl=UTLS,
            node=NODE,
            java=JSSE,
            nss=nss.sends_early_data,
            chromium=chromium.sends_early_data,
        ),
    },
    "0-RTT refused": {
        "client": row(
            openssl=openssl.refuses_early_data,
            gnutls=gnutls.refuses_early_data,
            curl=CLIENT,
            nginx="takes all that it has offered",
            stdlib=NO_NAME,
            pyopenssl=pyopenssl.refuses_early_data,
            go="crypto/tls has it for QUIC alone",
            rustls="rtls and granian do not switch it on",
            boringssl=UTLS,
            node=NODE,
            java=JSSE,
            nss=nss.refuses_early_data,
            chromium=CLIENT,
        ),
        "server": row(
            openssl=openssl.early_data_is_passed_over,
            gnutls=gnutls.early_data_is_passed_over,
            curl=NO_OPTION,
            nginx="sends none to the servers behind it",
            stdlib=NO_NAME,
            pyopenssl=pyopenssl.sends_early_data_again,
            go="crypto/tls has it for QUIC alone",
            rustls="rtls does not switch it on",
            boringssl=UTLS,
            node=NODE,
            java=JSSE,
            nss=nss.sends_early_data_again,
            chromium=chromium.sends_early_data_again,
        ),
    },
    "external pre-shared keys": {
        "client": row(
            openssl=openssl.server_knows_a_key,
            gnutls=gnutls.server_knows_a_key,
            curl=CLIENT,
            nginx="takes none without a patch",
            stdlib="ssl has a name for it from Python 3.13 on",
            pyopenssl=pyopenssl.server_knows_a_key,
            go=GO,
            rustls="rustls has none",
            boringssl=UTLS,
            node=node.server_knows_a_key,
            java=JSSE,
            nss="selfserv takes none, from tstclnt neither",
            chromium=CLIENT,
        ),
        "server": row(
            openssl=openssl.client_knows_a_key,
            gnutls=gnutls.client_knows_a_key,
            curl=NO_OPTION,
            nginx=NO_OPTION,
            stdlib="ssl has a name for it from Python 3.13 on",
            pyopenssl=pyopenssl.client_knows_a_key,
            go=GO,
            rustls="rustls has none",
            boringssl=UTLS,
            node=node.client_knows_a_key,
            java=JSSE,
            nss=nss.client_knows_a_key,
            chromium="has none",
        ),
    },
    "imported pre-shared keys": {
        "client": row("has no importer of RFC 9258", curl=CLIENT, chromium=CLIENT),
        "server": row("has no importer of RFC 9258"),
    },
    "post-handshake authentication": {
        "client": row(
            openssl=openssl.asks_later,
            gnutls=gnutls.asks_later,
            curl=CLIENT,
            nginx=NO_OPTION,
            stdlib=stdlib.asks_later,
            pyopenssl=pyopenssl.asks_later,
            go="crypto/tls refuses it",
            rustls="rustls refuses it",
            boringssl="BoringSSL refuses it",
            node=NODE,
            java="JSSE refuses it",
            nss=nss.asks_later,
            chromium=CLIENT,
        ),
        "server": row(
            openssl=openssl.answers_later,
            gnutls=gnutls.answers_later,
            curl=every.answers_later_in_http,
            nginx=NO_OPTION,
            stdlib=stdlib.answers_later,
            pyopenssl=pyopenssl.answers_later,
            go="crypto/tls refuses it",
            rustls="rustls refuses it",
            boringssl="BoringSSL refuses it",
            node=NODE,
            java="JSSE refuses it",
            nss=nss.answers_later,
            chromium="BoringSSL refuses it",
        ),
    },
    "OCSP staples": {
        "client": row(
            openssl=openssl.staples,
            gnutls=gnutls.staples,
            curl=CLIENT,
            nginx=web.nginx_staples,
            stdlib=NO_NAME,
            pyopenssl=pyopenssl.staples,
            go=go.staples,
            rustls="rtls and granian have no place for one",
            boringssl=UTLS,
            node=node.staples,
            java=java.staples,
            nss=nss.staples,
            chromium=CLIENT,
        ),
        "server": row(
            openssl=openssl.takes_a_staple,
            gnutls=gnutls.takes_a_staple,
            curl=web.curl_takes_a_staple,
            nginx=NO_OPTION,
            stdlib=NO_NAME,
            pyopenssl=pyopenssl.takes_a_staple,
            go=go.takes_a_staple,
            rustls="rtls asks for one, and does not show it",
            boringssl=UTLS,
            node=node.takes_a_staple,
            java=java.takes_a_staple,
            nss=nss.takes_a_staple,
            chromium="asks for one, and shows a page whatever it says",
        ),
    },
    "must-staple": {
        "client": row(
            every.refuses_a_missing_staple,
            openssl=openssl.staples_as_it_must,
            curl=CLIENT,
            chromium=CLIENT,
        ),
        "server": row("does not look at the mark", gnutls=gnutls.insists_on_a_staple),
    },
    "certificate timestamps": {
        "client": row(
            openssl="s_server has no option for them",
            gnutls=NO_OPTION,
            curl=CLIENT,
            nginx=NO_OPTION,
            stdlib=NO_NAME,
            pyopenssl=NO_BINDING,
            go=go.staples,
            rustls="rustls has none",
            boringssl=UTLS,
            node=NODE,
            java=JSSE,
            nss="selfserv has no option for them",
            chromium=CLIENT,
        ),
        "server": row(
            openssl=openssl.takes_a_timestamp,
            gnutls=NO_OPTION,
            curl=NO_OPTION,
            nginx=NO_OPTION,
            stdlib=NO_NAME,
            pyopenssl=NO_BINDING,
            go=go.takes_a_staple,
            rustls="rustls has none",
            boringssl=UTLS,
            node=NODE,
            java=JSSE,
            nss=nss.takes_a_staple,
            chromium="asks for them of public authorities alone",
        ),
    },
    "revoked certificates": {
        "client": row(
            every.refuses_a_revoked_server,
            curl=CLIENT,
            chromium=CLIENT,
        ),
        "server": row(
            every.refuses_a_revoked_client,
            chromium=PERSON,
        ),
    },
    "certificate compression": {
        "client": row(
            openssl=OLDER,
            gnutls="Debian's is built without: --compress-cert changes no hello",
            curl=CLIENT,
            nginx=OLDER,
            stdlib=OLDER,
            pyopenssl="cryptography's OpenSSL is built without",
            go=GO,
            rustls="neither rtls nor granian switches it on",
            boringssl=UTLS,
            node=node.compresses_certificates,
            java=JSSE,
            nss="its version, 3.87, has none",
            chromium=CLIENT,
        ),
        "server": row(
            openssl=OLDER,
            gnutls="Debian's is built without: --compress-cert changes no hello",
            curl=OLDER,
            nginx=OLDER,
            stdlib=OLDER,
            pyopenssl="cryptography's OpenSSL is built without",
            go=GO,
            rustls="rtls does not switch it on",
            boringssl=boringssl.browsers_take_compressed_certificates,
            node=node.takes_compressed_certificates,
            java=JSSE,
            nss="its version, 3.87, has none",
            chromium=chromium.loads_a_page,
        ),
    },
    "raw public keys": {
        "client": row(
            openssl=OLDER,
            gnutls=gnutls.shows_a_raw_key,
            curl=CLIENT,
            nginx=OLDER,
            stdlib=OLDER,
            pyopenssl=NO_BINDING,
            go=GO,
            rustls="neither rtls nor granian has a name for them",
            boringssl=UTLS,
            node=NODE,
            java=JSSE,
            nss="has none",
            chromium=CLIENT,
        ),
        "server": row(
            openssl=OLDER,
            gnutls=gnutls.client_shows_a_raw_key,
            curl=OLDER,
            nginx=OLDER,
            stdlib=OLDER,
            pyopenssl=NO_BINDING,
            go=GO,
            rustls=RTLS,
            boringssl=UTLS,
            node=NODE,
            java=JSSE,
            nss="has none",
            chromium="has none",
        ),
    },
    "delegated credentials": {
        "client": row(
            "has none",
            curl=CLIENT,
            boringssl=UTLS,
            nss="NSS has them, and selfserv cannot be given one",
            chromium=CLIENT,
        ),
        "server": row(
            "has none",
            boringssl="has none as a client",
            nss=nss.takes_a_delegated_key,
            chromium="has none",
        ),
    },
    "record_size_limit": {
        "client": row(
            "has none",
            gnutls=gnutls.keeps_to_our_limit,
            curl=CLIENT,
            nss=nss.keeps_to_our_limit,
            chromium=CLIENT,
        ),
        "server": row(
            "has none",
            gnutls=gnutls.client_keeps_to_our_limit,
            nss=nss.client_keeps_to_our_limit,
            chromium="has none",
        ),
    },
    "max_fragment_length, not taken up": {
        "client": row("our client never asks for it"),
        "server": row(
            openssl=openssl.asks_for_short_fragments,
            gnutls=gnutls.asks_for_short_fragments,
            curl=NO_OPTION,
            nginx=NO_OPTION,
            stdlib=NO_NAME,
            pyopenssl=NO_BINDING,
            go=GO,
            rustls=RTLS,
            boringssl=UTLS,
            node=NODE,
            java=java.asks_for_short_fragments,
            nss="has none",
            chromium="has none",
        ),
    },
    "record padding": {
        "client": row(
            every.is_sent_padded_records,
            curl=CLIENT,
            chromium=CLIENT,
        ),
        "server": row(
            every.takes_padded_records,
            chromium=chromium.takes_padded_records,
        ),
    },
    "padded records of the peer's": {
        "client": row(
            "has no option for it",
            openssl=openssl.pads_records_as_server,
            curl=CLIENT,
            chromium=CLIENT,
        ),
        "server": row(
            "has no option for it",
            openssl=openssl.pads_records,
            chromium="has no option for it",
        ),
    },
    "GREASE": {
        "client": row(
            every.passes_over_our_grease,
            curl=CLIENT,
            chromium=CLIENT,
        ),
        "server": row(
            "sends none",
            boringssl=boringssl.sends_grease,
            chromium=chromium.loads_a_page,
        ),
    },
    "exporters": {
        "client": row(
            openssl=openssl.exports_as_server,
            gnutls=gnutls.exports_as_server,
            curl=CLIENT,
            nginx=NO_OPTION,
            stdlib=NO_NAME,
            pyopenssl=pyopenssl.exports_as_server,
            go=go.exports_as_server,
            rustls=RTLS,
            boringssl=UTLS,
            node=node.exports_as_server,
            java="JSSE has them from Java 25 on",
            nss=nss.exports_as_server,
            chromium=CLIENT,
        ),
        "server": row(
            openssl=openssl.exports_as_client,
            gnutls=gnutls.exports_as_client,
            curl=NO_OPTION,
            nginx=NO_OPTION,
            stdlib=NO_NAME,
            pyopenssl=pyopenssl.exports_as_client,
            go=go.exports_as_client,
            rustls=RTLS,
            boringssl=UTLS,
            node=node.exports_as_client,
            java="JSSE has them from Java 25 on",
            nss=nss.exports_as_client,
            chromium="shows none to pages",
        ),
    },
    "channel bindings": {
        "client": row(
            openssl="s_server prints none",
            gnutls=gnutls.binds_as_server,
            curl=CLIENT,
            nginx=NO_OPTION,
            stdlib=stdlib.binds_as_server,
            pyopenssl=pyopenssl.binds_as_server,
            go=go.binds_as_server,
            rustls="rtls gives None for all of them",
            boringssl=UTLS,
            node=node.binds_as_server,
            java=JSSE,
            nss="selfserv prints none",
            chromium=CLIENT,
        ),
        "server": row(
            openssl="s_client prints none",
            gnutls=gnutls.binds_as_client,
            curl=NO_OPTION,
            nginx=NO_OPTION,
            stdlib=stdlib.binds_as_client,
            pyopenssl=pyopenssl.binds_as_client,
            go=go.binds_as_client,
            rustls="rtls gives None for all of them",
            boringssl=UTLS,
            node=node.binds_as_client,
            java=JSSE,
            nss="tstclnt prints none",
            chromium="shows none to pages",
        ),
    },
    "Encrypted Client Hello": {
        "client": row(
            openssl=OLDER,
            gnutls="has none",
            curl=CLIENT,
            nginx=OLDER,
            stdlib=OLDER,
            pyopenssl=NO_BINDING,
            go=go.takes_an_encrypted_hello,
            rustls="rustls has it for clients alone",
            boringssl="utls has it for clients alone",
            node=NODE,
            java=JSSE,
            nss=nss.takes_an_encrypted_hello,
            chromium=CLIENT,
        ),
        "server": row(
            openssl=OLDER,
            gnutls="has none",
            curl=OLDER,
            nginx=OLDER,
            stdlib=OLDER,
            pyopenssl=NO_BINDING,
            go=go.sends_an_encrypted_hello,
            rustls=rustls.sends_an_encrypted_hello,
            boringssl=boringssl.sends_an_encrypted_hello,
            node=NODE,
            java=JSSE,
            nss=nss.sends_an_encrypted_hello,
            chromium=chromium.sends_an_encrypted_hello,
        ),
    },
    "ECH with keys that are gone": {
        "client": row(
            "see the row above",
            curl=CLIENT,
            go=go.takes_an_encrypted_hello,
            nss=nss.takes_an_encrypted_hello,
            chromium=CLIENT,
        ),
        "server": row(
            "see the row above",
            go=go.is_told_our_newer_keys,
            rustls=rustls.is_told_our_newer_keys,
            boringssl=boringssl.is_told_our_newer_keys,
            nss=nss.is_told_our_newer_keys,
            chromium=chromium.is_told_our_newer_keys,
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
