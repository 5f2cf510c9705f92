"""Plain messages, which are easier to tamper with."""

from __future__ import annotations

import pytest

from aiotls import ClientConfig, ServerConfig


@pytest.fixture
def client(client: ClientConfig) -> ClientConfig:
    return client.replace(certificate_compression=[])


@pytest.fixture
def server(server: ServerConfig) -> ServerConfig:
    return server.replace(certificate_compression=[])
