"""Which feature is tried with which peer, in which direction; and where it is not, why not.

One row for each feature, two directions, one cell for each peer: a scenario that is run, or the
reason why there is nothing to run. ``client`` is our client at the peer's server, ``server`` our
server with the peer's client. test_features.py runs the scenarios; what the other files of this
folder run counts as well, by the names of their tests. report.py makes text of it.
"""

from __future__ import annotations

from .rows import certificates, connections, records
from .rows.reasons import DIRECTIONS, NAMES, Row, Scenario

__all__ = ["DIRECTIONS", "ELSEWHERE", "NAMES", "TABLE", "Row", "Scenario"]

TABLE: dict[str, dict[str, Row]] = connections.ROWS | certificates.ROWS | records.ROWS

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
