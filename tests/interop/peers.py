"""All the peers, and parameters made of what each of them can do."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from .chromium import Chromium
from .gnutls import GnuTLS
from .golang import Go
from .java import Java
from .node import Node
from .nss import NSS
from .openssl import OpenSSL
from .peer import Peer
from .pyopenssl import PyOpenSSL
from .sslmodule import BoringSSL, Rustls, StandardLibrary
from .web import Curl, Nginx

PEERS: tuple[Peer, ...] = (
    OpenSSL(),
    GnuTLS(),
    Curl(),
    Nginx(),
    StandardLibrary(),
    PyOpenSSL(),
    Go(),
    Rustls(),
    BoringSSL(),
    Node(),
    Java(),
)

ALSO: tuple[Peer, ...] = (NSS(), Chromium())
"""Further ones, for the features that table.py lists alone."""

CLIENTS = tuple(peer for peer in PEERS if peer.is_client)
SERVERS = tuple(peer for peer in PEERS if peer.is_server)


def each(peers: Iterable[Peer], values: Callable[[Peer], Iterable[Any]] | None = None) -> list[Any]:
    """Parameters: every peer; or every peer with every one of its *values*."""
    parameters = []
    for peer in peers:
        # The first use of some builds a program or starts a virtual machine.
        marks = [pytest.mark.timeout(240)] if peer.is_slow_to_start else []
        if values is None:
            parameters.append(pytest.param(peer, id=peer.name, marks=marks))
            continue
        for value in values(peer):
            name = getattr(value, "name", value)
            parameters.append(pytest.param(peer, value, id=f"{peer.name}-{name}", marks=marks))
    return parameters


def that(peers: Iterable[Peer], ability: str) -> list[Peer]:
    """Those of the peers that have an ability, the name of one of Peer's attributes."""
    return [peer for peer in peers if getattr(peer, ability)]
