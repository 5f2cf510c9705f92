"""Two connections and the bytes between them, in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from aiotls import ClientConfig, ServerConfig, TLSConnection, TLSError
from aiotls.config import Config
from aiotls.wire.messages import Message

Mutation = Callable[[Message], "Message | bytes | Iterable[Message | bytes] | None"]


def cut(data: bytes, size: int | None) -> list[bytes]:
    """*data* in pieces of *size* bytes; None: in one piece."""
    if not data:
        return []
    return [data] if size is None else [data[i : i + size] for i in range(0, len(data), size)]


@dataclass
class Pair:
    """A client and a server, and what ended each of them."""

    client: TLSConnection
    server: TLSConnection
    client_error: TLSError | None = None
    server_error: TLSError | None = None
    to_server: bytearray = field(default_factory=bytearray)
    """Everything that the client sent."""
    to_client: bytearray = field(default_factory=bytearray)

    def pump(self, size: int | None = None) -> None:
        """Moves bytes both ways until none are left, in pieces of *size*."""
        for _ in range(64):
            moved = self._move(self.client, self.server, size)
            moved |= self._move(self.server, self.client, size)
            if not moved:
                return
        raise AssertionError("two connections that never fall silent")

    def _move(self, sender: TLSConnection, receiver: TLSConnection, size: int | None) -> bool:
        try:
            data = sender.data_to_send()
        except TLSError as error:
            self._note(sender, error)
            data = sender.data_to_send()
        (self.to_server if receiver is self.server else self.to_client).extend(data)
        for piece in cut(data, size):
            try:
                receiver.receive_data(piece)
            except TLSError as error:
                self._note(receiver, error)
        return bool(data)

    def _note(self, connection: TLSConnection, error: TLSError) -> None:
        if connection is self.client:
            self.client_error = self.client_error or error
        else:
            self.server_error = self.server_error or error

    def check(self) -> Pair:
        """Raises what ended either side, if the handshake did not come through."""
        for error in (self.server_error, self.client_error):
            if error is not None:
                raise error
        assert self.client.handshake_complete
        assert self.server.handshake_complete
        return self


def connect(
    client: ClientConfig,
    server: ServerConfig,
    *,
    size: int | None = None,
    name: str | None = "localhost",
    client_sends: Mutation | None = None,
    server_sends: Mutation | None = None,
) -> Pair:
    """A handshake, run as far as it goes.

    A mutation turns one side into a hostile peer: it sees each handshake message before it
    leaves and returns what is to be sent in its place. What is sent goes into the hostile side's
    own transcript, so that everything after it still verifies.
    """
    pair = Pair(TLSConnection(client, name), TLSConnection(server))
    if client_sends is not None:
        mutate(pair.client, client_sends)
    if server_sends is not None:
        mutate(pair.server, server_sends)
    pair.pump(size)
    return pair


class Raw(Message):
    """A handshake message of any bytes."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def encode(self) -> bytes:
        return self.data


def mutate(connection: TLSConnection, change: Mutation) -> None:
    """Lets *change* decide on every handshake message that *connection* sends."""
    channel = connection._channel
    assert channel is not None
    send = channel.send

    def hostile_send(message: Message) -> None:
        result: Any = change(message)
        if result is None:
            return
        items = [result] if isinstance(result, (Message, bytes)) else list(result)
        for item in items:
            send(Raw(item) if isinstance(item, bytes) else item)

    channel.send = hostile_send  # type: ignore[method-assign]


def session_free(config: Config) -> dict[str, Any]:
    """What turns resumption off in a copy of a client's configuration."""
    return {"session_cache": None}
