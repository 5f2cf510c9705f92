"""Sessions of connections that end in a fatal alert are not resumed.

RFC 5246, section 7.2.2, has both sides forget them; RFC 8446, section 6, as far as it is possible:
of a ticket the server has nothing that it could forget.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from aiotls import ClientConfig, ServerConfig, TLSConnection
from aiotls.enums import Alert, ProtocolVersion
from aiotls.errors import AlertReceived, ProtocolError, TLSError
from aiotls.sessions import MemorySessionCache, MemorySessionStore
from tests.engine.pair import Pair, connect


@pytest.fixture(params=[ProtocolVersion.TLSv1_2, ProtocolVersion.TLSv1_3])
def client(client: ClientConfig, request: pytest.FixtureRequest) -> ClientConfig:
    return client.replace(max_version=request.param)


def resumed(pair: Pair) -> bool:
    established = pair.check().client.established
    assert established is not None
    return established.resumed


def tamper(pair: Pair, sender: TLSConnection, receiver: TLSConnection) -> None:
    """A record of the sender's is changed on its way; each of them hears of it."""
    sender.write(b"data")
    record = bytearray(sender.data_to_send())
    record[-1] ^= 1
    with pytest.raises(ProtocolError) as caught:
        receiver.receive_data(bytes(record))
    assert caught.value.alert == Alert.BAD_RECORD_MAC
    with pytest.raises(AlertReceived):
        sender.receive_data(receiver.data_to_send())


ENDS: dict[str, Callable[[Pair], None]] = {
    "the client sends the alert": lambda pair: tamper(pair, pair.server, pair.client),
    "the server sends the alert": lambda pair: tamper(pair, pair.client, pair.server),
    "the application aborts": lambda pair: pair.client.abort(),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_a_client_does_not_resume_a_failed_connection(
    client: ClientConfig, server: ServerConfig, end: Callable[[Pair], None]
) -> None:
    first = connect(client, server)
    assert not resumed(first)
    end(first)
    assert not resumed(connect(client, server))
    assert resumed(connect(client, server))  # that one has not failed


def test_a_failed_connection_costs_no_other_session(
    client: ClientConfig, server: ServerConfig
) -> None:
    """The older one that is left in the cache is taken in its place."""
    cache = MemorySessionCache()
    empty = client.replace(session_cache=MemorySessionCache())
    fitting = client.replace(session_cache=cache)
    assert not resumed(connect(fitting, server))
    kept = [session for sessions in cache._sessions.values() for session in sessions]
    (key,) = cache._sessions
    failing = connect(empty.replace(session_cache=_Into(cache)), server)
    assert not resumed(failing)
    failing.client.abort()
    assert cache.take(key) in kept


class _Into(MemorySessionCache):
    """Keeps its sessions in another cache, and has none to give."""

    def __init__(self, other: MemorySessionCache) -> None:
        super().__init__()
        self._other = other

    def put(self, key: bytes, session: object) -> None:
        self._other.put(key, session)  # type: ignore[arg-type]


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_a_server_forgets_the_sessions_of_a_failed_connection(
    client: ClientConfig, server: ServerConfig, end: Callable[[Pair], None]
) -> None:
    store = MemorySessionStore()
    server = server.replace(session_store=store)
    pair = connect(client, server)
    pair.check()
    assert len(store)
    end(pair)
    pair.pump()
    assert not len(store)
    assert not pair.server.chores


def test_a_store_may_be_elsewhere(client: ClientConfig, server: ServerConfig) -> None:
    """What it wants to be awaited is among the connection's chores."""
    store = _Elsewhere()
    pair = connect(client, server.replace(session_store=store))
    pair.check()
    pair.server.abort()
    assert pair.server.chores
    for chore in pair.server.chores:
        with pytest.raises(StopIteration):
            next(chore.__await__())
    assert not len(store)


class _Elsewhere(MemorySessionStore):
    def take(self, number: bytes) -> Awaitable[bytes | None]:  # type: ignore[override]
        async def taken() -> bytes | None:
            return MemorySessionStore.take(self, number)

        return taken()


def test_a_store_that_fails_hides_no_error(client: ClientConfig, server: ServerConfig) -> None:
    pair = connect(client, server.replace(session_store=_Broken()))
    pair.check()
    tamper(pair, pair.client, pair.server)
    assert isinstance(pair.server.error, ProtocolError)


class _Broken(MemorySessionStore):
    def take(self, number: bytes) -> bytes | None:
        raise OSError("the store is gone")


def test_an_end_without_an_alert_costs_no_session(
    client: ClientConfig, server: ServerConfig
) -> None:
    """RFC 5246, section 7.2.1: neither close_notify nor its absence does."""
    pair = connect(client, server)
    assert not resumed(pair)
    pair.server.send_close_notify()
    pair.pump()
    following = connect(client, server)
    assert resumed(following)
    with pytest.raises(TLSError, match="close_notify"):
        following.client.receive_eof()
    assert resumed(connect(client, server))
