"""Configurations, and a watch over what the event loop has to complain about."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from aiotls import ClientConfig, Identity, ServerConfig, TrustStore

from . import pki


@pytest.fixture
def server_config() -> ServerConfig:
    return ServerConfig(identity=Identity.from_pem(pki.leaf("localhost", "127.0.0.1").pem))


@pytest.fixture
def client_config() -> ClientConfig:
    return ClientConfig(trust=TrustStore.from_pem(pki.authority_pem()))


@pytest_asyncio.fixture
async def complaints() -> AsyncIterator[list[dict[str, Any]]]:
    """What reached the loop's exception handler."""
    loop = asyncio.get_running_loop()
    heard: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: heard.append(context))
    yield heard
    loop.set_exception_handler(None)
