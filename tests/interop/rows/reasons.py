"""What a row of the table is, and the reasons that many cells share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from ..bench import Bench
from ..peers import ALSO, PEERS

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
