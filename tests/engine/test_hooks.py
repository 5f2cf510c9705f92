"""A hook that raises or returns nonsense ends its own handshake, by internal_error, with the cause.

That hooks which never return are ended by the handshake's time-out, and that the next connection
is none the worse, is shown by tests/faults over real sockets.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from aiotls import (
    ClientAuth,
    ClientConfig,
    ExternalPsk,
    Identity,
    ProtocolError,
    ServerConfig,
    TLSConnection,
    TLSError,
)
from aiotls.enums import Alert
from aiotls.errors import AlertReceived
from aiotls.sessions import MemorySessionStore
from tests import certificates
from tests.engine.pair import Pair, connect

KEY = ExternalPsk(b"device 17", bytes(range(32)))


class Broken(Exception):
    """What a hook raises."""


def raises(*_: Any) -> Any:
    raise Broken("a hook failed")


async def raises_later(*_: Any) -> Any:
    raise Broken("a hook failed")


def nonsense(*_: Any) -> Any:
    return 42


class Everything:
    """An object whose every method is the one hook."""

    def __init__(self, hook: Any) -> None:
        self.put = self.take = self.seal = self.open = self.first_time = hook


def signer(hook: Any) -> Identity:
    issued = certificates.leaf("localhost")

    class Signer:
        schemes = issued.identity.schemes
        sign = staticmethod(hook)

    return Identity(issued.chain, Signer())


TRUST = {"trust": certificates.authority().trust}
SERVER: dict[str, Callable[[Any], dict[str, Any]]] = {
    "select": lambda hook: {"select": hook},
    "staple": lambda hook: {"staple": hook},
    "signer": lambda hook: {"identity": signer(hook)},
    "ticket keys": lambda hook: {"ticket_keys": Everything(hook)},
    "store": lambda hook: {"session_store": Everything(hook), "ticket_keys": None},
    "pre-shared keys": lambda hook: {"psk": hook},
    "replay guard": lambda hook: {"replay_guard": Everything(hook), "max_early_data": 1000},
}
HOOKS = [raises, raises_later, nonsense]
VERSIONS = [0x0303, 0x0304]
LATER_ONLY = ("ticket keys", "store", "replay guard")
"""What is asked in a second connection only, or after the handshake."""


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("kind", SERVER)
def test_a_hook_of_the_servers_ends_its_handshake(
    client: ClientConfig, server: ServerConfig, kind: str, hook: Any, version: int
) -> None:
    if version == 0x0303 and kind in ("pre-shared keys", "replay guard"):
        client = client.replace(min_version=0x0304)  # TLS 1.3 has them alone: asked there
        version = 0x0304
    client = client.replace(max_version=version)
    if kind == "pre-shared keys":
        client = client.replace(psks=[KEY])
    early = b""
    good = server
    if kind == "replay guard":
        early = b"early"
        good = server.replace(max_early_data=1000, replay_guard=Everything(lambda *_: True))
    if kind == "store":
        good = server.replace(session_store=MemorySessionStore(), ticket_keys=None)
    if kind in LATER_ONLY:
        connect(client, good).check()
    bad = good.replace(**SERVER[kind](hook))
    pair = Pair(TLSConnection(client, "localhost", early_data=early), TLSConnection(bad))
    pair.pump()
    error = pair.server_error
    assert isinstance(error, TLSError), error
    assert getattr(error, "alert", Alert.INTERNAL_ERROR) == Alert.INTERNAL_ERROR
    if hook is not nonsense:
        assert isinstance(error.__cause__, Broken)
    assert isinstance(pair.client_error, AlertReceived)
    assert pair.client_error.alert == Alert.INTERNAL_ERROR
    connect(client.replace(), server).check()


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("kind", ["select_identity", "signer", "cache"])
def test_a_hook_of_the_clients_ends_its_handshake(
    client: ClientConfig, server: ServerConfig, kind: str, hook: Any, version: int
) -> None:
    changes: dict[str, dict[str, Any]] = {
        "select_identity": {"select_identity": hook},
        "signer": {"identity": signer(hook)},
        "cache": {"session_cache": Everything(hook)},
    }
    server = server.replace(client_auth=ClientAuth.OPTIONAL, **TRUST)
    pair = connect(client.replace(max_version=version, **changes[kind]), server)
    error = pair.client_error
    assert isinstance(error, TLSError), error
    assert getattr(error, "alert", Alert.INTERNAL_ERROR) == Alert.INTERNAL_ERROR
    assert error.__cause__ is not None
    if hook is not nonsense:
        assert isinstance(error.__cause__, Broken)
    if kind != "cache":  # that one is asked before there is anybody to tell
        assert isinstance(pair.server_error, AlertReceived)
        assert pair.server_error.alert == Alert.INTERNAL_ERROR


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("hook", [raises, raises_later])
def test_what_verify_raises_is_a_refusal_of_the_peer(
    client: ClientConfig, server: ServerConfig, hook: Any, version: int
) -> None:
    pair = connect(client.replace(max_version=version, verify=hook), server)
    assert isinstance(pair.client_error, ProtocolError)
    assert pair.client_error.alert == Alert.CERTIFICATE_UNKNOWN
    assert isinstance(pair.client_error.__cause__, Broken)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("answer", [False, True, 42])
def test_a_verify_hook_that_answers_is_not_taken_for_consent(
    client: ClientConfig, server: ServerConfig, answer: Any, version: int
) -> None:
    """It refuses by raising: who returns False has not meant yes."""
    verify: Any = lambda peer: answer  # noqa: E731
    pair = connect(client.replace(max_version=version, verify=verify), server)
    assert isinstance(pair.client_error, ProtocolError)
    assert pair.client_error.alert == Alert.INTERNAL_ERROR
    assert isinstance(pair.client_error.__cause__, TypeError)


@pytest.mark.parametrize("hook", HOOKS)
def test_a_cache_that_does_not_keep_a_ticket_costs_the_session_alone(
    client: ClientConfig, server: ServerConfig, hook: Any
) -> None:
    """The handshake is over by then, and the connection is none the worse."""

    class Cache:
        put = staticmethod(hook)

        def take(self, key: bytes) -> None:
            return None

    pair = connect(client.replace(session_cache=Cache()), server).check()
    pair.server.write(b"data")
    pair.pump()
    assert pair.check().client.read() == b"data"
    assert len(pair.client.chores) == server.tickets
    for chore in pair.client.chores:
        if hook is nonsense:
            continue
        with pytest.raises(Broken):
            chore.__await__().send(None)


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("again", [False, True])
def test_a_word_on_a_raw_key_that_makes_no_sense(
    client: ClientConfig, server: ServerConfig, hook: Any, again: bool
) -> None:
    """internal_error, whether it was asked for in a handshake or before a session is offered."""
    own = Identity.from_raw_key(certificates.key())
    answers: list[Any] = [lambda key: True] if again else []
    client = ClientConfig(
        verify_raw_public_key=lambda key: (answers.pop() if answers else hook)(key),
        verify_on_resumption=True,
    )
    server = server.replace(identity=own)
    if again:
        connect(client, server).check()
    pair = connect(client, server)
    error = pair.client_error
    assert isinstance(error, ProtocolError)
    assert error.alert == Alert.INTERNAL_ERROR
    assert isinstance(error.__cause__, TypeError if hook is nonsense else Broken)
    assert isinstance(pair.server_error, AlertReceived)
    assert pair.server_error.alert == Alert.INTERNAL_ERROR
