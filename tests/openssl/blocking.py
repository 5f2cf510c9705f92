"""Scripts over blocking sockets: each side runs its calls in a thread of its own.

A call returns once it is done or has failed, or when a callback asks to be called again. Who has
failed says nothing more, so that nobody waits for ever.
"""

from __future__ import annotations

import socket
import threading
from typing import Any

from .world import BlockingSockets, Side, Trace

Op = tuple[Any, ...]
RETRIED = (4, 11, 12)
"""SSL_ERROR_WANT_X509_LOOKUP, _CLIENT_HELLO_CB, _RETRY_VERIFY: what a callback may ask for."""

PATIENCE = 60.0
"""Seconds until a side that has not come to its end is taken to hang."""


class Player:
    """One side, and the calls that it makes."""

    def __init__(self, side: Side, sock: socket.socket, ops: list[Op], trace: Trace) -> None:
        self.side = side
        self.socket = sock
        self.ops = ops
        self.trace = trace
        self.error: BaseException | None = None

    def play(self) -> None:
        """Makes the calls, until one fails."""
        try:
            for op in self.ops:
                if not getattr(self, "do_" + op[0])(*op[2:]):
                    break
            self.trace.append(("notes", list(self.side.notes.seen)))
            self.trace.append(("agreed", *self.side.agreed()))
        except BaseException as error:
            self.error = error
        finally:
            self.socket.shutdown(socket.SHUT_WR)

    def call(self, name: str, *arguments: Any) -> tuple[Any, int]:
        """One call: what it returned, and SSL_get_error()."""
        api = self.side.api
        api.ERR_clear_error()
        ret = getattr(api, name)(self.side.ssl, *arguments)
        seen = self.side.observe(ret)
        if seen[4] == "SSLERR":
            seen = (*seen[:8], bool(seen[8]), *seen[9:])
        self.trace.append((name, *seen))
        return ret, seen[1]

    def do_role(self) -> bool:
        """SSL_set_connect_state or SSL_set_accept_state."""
        name = "SSL_set_accept_state" if self.side.server else "SSL_set_connect_state"
        getattr(self.side.api, name)(self.side.ssl)
        return True

    def do_shake(self, name: str) -> bool:
        """The handshake, as often as a callback wants."""
        ret, error = self.call(name)
        while ret != 1 and error in RETRIED:
            ret, error = self.call(name)
        return bool(ret == 1)

    def do_send(self, size: int) -> bool:
        """A write, which returns when all has left."""
        return bool(self.call("SSL_write", bytes([size % 251]) * size, size)[0] == size)

    def do_receive(self, size: int) -> bool:
        """Reads until so much has come."""
        buffer = bytearray(20_000)
        while size > 0:
            ret, _ = self.call("SSL_read", buffer, len(buffer))
            if ret <= 0:
                return False
            self.trace.append(("data", bytes(buffer[:1]), ret))
            size -= ret
        return True

    def do_update(self, kind: int) -> bool:
        """A KeyUpdate, with the next write."""
        self.call("SSL_key_update", kind)
        return True

    def do_close(self) -> bool:
        """close_notify, and the peer's."""
        ret, _ = self.call("SSL_shutdown")
        if ret == 0:
            ret, _ = self.call("SSL_shutdown")
        return bool(ret == 1)

    def do_leave(self) -> bool:
        """Goes without a word."""
        return False


def play(sides: tuple[Side, Side], wire: BlockingSockets, ops: tuple[Op, ...]) -> list[Trace]:
    """Runs both sides at the same time, and returns their traces."""
    players = [
        Player(side, sock, [op for op in ops if op[1] == who], [])
        for who, (side, sock) in enumerate(zip(sides, wire.sockets, strict=True))
    ]
    threads = [threading.Thread(target=player.play, daemon=True) for player in players]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    if any(thread.is_alive() for thread in threads):
        for sock in wire.sockets:
            sock.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join(PATIENCE)
        raise AssertionError(f"a side hangs: {[player.trace for player in players]}")
    for player in players:
        if player.error is not None:
            raise player.error
    return [player.trace for player in players]
