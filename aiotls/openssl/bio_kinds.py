"""The kinds of BIO: memory, pairs, sockets, nothing.

BIO_s_mem(3), BIO_s_bio(3), BIO_s_socket(3), BIO_s_null(3). The functions that programs call are
in ``bio.py``.
"""

from __future__ import annotations

import errno
import os
from typing import Any

from .errors import ERR_LIB_BIO, ERR_raise, set_errno
from .reasons import (
    BIO_R_BROKEN_PIPE,
    BIO_R_IN_USE,
    BIO_R_INVALID_ARGUMENT,
    BIO_R_UNINITIALIZED,
    BIO_R_UNSUPPORTED_METHOD,
    BIO_R_WRITE_TO_READ_ONLY_BIO,
)

BIO_NOCLOSE = 0
BIO_CLOSE = 1

BIO_FLAGS_READ = 0x01
BIO_FLAGS_WRITE = 0x02
BIO_FLAGS_IO_SPECIAL = 0x04
BIO_FLAGS_RWS = BIO_FLAGS_READ | BIO_FLAGS_WRITE | BIO_FLAGS_IO_SPECIAL
BIO_FLAGS_SHOULD_RETRY = 0x08
BIO_FLAGS_MEM_RDONLY = 0x200
BIO_FLAGS_IN_EOF = 0x800

BIO_RR_SSL_X509_LOOKUP = 0x01
BIO_RR_CONNECT = 0x02
BIO_RR_ACCEPT = 0x03

BIO_TYPE_DESCRIPTOR = 0x0100
BIO_TYPE_SOURCE_SINK = 0x0400
BIO_TYPE_NONE = 0
BIO_TYPE_MEM = 1 | BIO_TYPE_SOURCE_SINK
BIO_TYPE_SOCKET = 5 | BIO_TYPE_SOURCE_SINK | BIO_TYPE_DESCRIPTOR
BIO_TYPE_NULL = 6 | BIO_TYPE_SOURCE_SINK
BIO_TYPE_BIO = 19 | BIO_TYPE_SOURCE_SINK

BIO_CTRL_RESET = 1
BIO_CTRL_EOF = 2
BIO_CTRL_INFO = 3
BIO_CTRL_GET_CLOSE = 8
BIO_CTRL_SET_CLOSE = 9
BIO_CTRL_PENDING = 10
BIO_CTRL_FLUSH = 11
BIO_CTRL_WPENDING = 13
BIO_C_SET_FD = 104
BIO_C_GET_FD = 105
BIO_C_SET_BUF_MEM_EOF_RETURN = 130
BIO_C_SET_WRITE_BUF_SIZE = 136
BIO_C_GET_WRITE_BUF_SIZE = 137
BIO_C_MAKE_BIO_PAIR = 138
BIO_C_DESTROY_BIO_PAIR = 139
BIO_C_GET_WRITE_GUARANTEE = 140
BIO_C_GET_READ_REQUEST = 141
BIO_C_SHUTDOWN_WR = 142
BIO_C_RESET_READ_REQUEST = 147

DEFAULT_PAIR_SIZE = 17 * 1024
"""Bytes that one direction of a pair holds where nothing else is asked for: one record."""

Readable = bytes | bytearray | memoryview
Writable = bytearray | memoryview
Result = tuple[int, bytes]
"""What reading returned, and the bytes where it is above 0."""


class BIO:
    """One BIO. It is counted how many hold it; who frees it lets go of one."""

    __slots__ = (
        "flags",
        "init",
        "method",
        "num",
        "number_read",
        "number_written",
        "references",
        "retry_reason",
        "shutdown",
        "state",
    )

    def __init__(self, method: BIO_METHOD) -> None:
        self.method = method
        self.references = 1
        self.flags = 0
        self.init = False
        self.shutdown = BIO_CLOSE
        self.num = 0
        self.retry_reason = 0
        self.number_read = 0
        self.number_written = 0
        self.state: Any = None
        method.create(self)

    def __repr__(self) -> str:
        return f"<BIO {self.method.name}{'' if self.references else ', freed'}>"

    def clear_retry(self) -> None:
        """Forgets what the last call wished for."""
        self.flags &= ~(BIO_FLAGS_RWS | BIO_FLAGS_SHOULD_RETRY)
        self.retry_reason = 0

    def retry_read(self) -> None:
        """Marks that reading may succeed another time."""
        self.flags |= BIO_FLAGS_READ | BIO_FLAGS_SHOULD_RETRY

    def retry_write(self) -> None:
        """Marks that writing may succeed another time."""
        self.flags |= BIO_FLAGS_WRITE | BIO_FLAGS_SHOULD_RETRY

    def read(self, size: int, *, discard: bool = False) -> Result:
        """At most *size* bytes; with *discard* as C reads to a null pointer."""
        if not self.init:
            ERR_raise(ERR_LIB_BIO, BIO_R_UNINITIALIZED)
            return -1, b""
        ret, data = self.method.read(self, size, discard)
        if ret > 0:
            self.number_read += ret
        return ret, data

    def write(self, data: Readable) -> int:
        """How many of the bytes were taken."""
        if not self.init:
            ERR_raise(ERR_LIB_BIO, BIO_R_UNINITIALIZED)
            return -1
        ret = self.method.write(self, data)
        if ret > 0:
            self.number_written += ret
        return ret

    def control(self, command: int, number: int = 0, other: Any = None) -> int:
        """What BIO_ctrl(3) does."""
        return self.method.control(self, command, number, other)

    @property
    def at_eof(self) -> bool:
        """Whether nothing more can come."""
        return bool(self.control(BIO_CTRL_EOF))

    def release(self) -> None:
        """Lets go of it once; the last one frees it."""
        self.references -= 1
        if not self.references:
            self.method.destroy(self)


class BIO_METHOD:
    """What kind of BIO it is, and how that kind reads and writes."""

    type = BIO_TYPE_NONE
    name = ""

    def create(self, bio: BIO) -> None:
        """Sets a new BIO up."""

    def destroy(self, bio: BIO) -> None:
        """Gives up what it holds."""

    def read(self, bio: BIO, size: int, discard: bool) -> Result:
        """See :meth:`BIO.read`."""
        raise NotImplementedError

    def write(self, bio: BIO, data: Readable) -> int:
        """See :meth:`BIO.write`."""
        raise NotImplementedError

    def gets(self, bio: BIO, size: int) -> Result:
        """One line of at most *size* − 1 bytes; -2 where the kind knows no lines."""
        ERR_raise(ERR_LIB_BIO, BIO_R_UNSUPPORTED_METHOD)
        return -2, b""

    def control(self, bio: BIO, command: int, number: int, other: Any) -> int:
        """See :meth:`BIO.control`."""
        if command == BIO_CTRL_GET_CLOSE:
            return bio.shutdown
        if command == BIO_CTRL_SET_CLOSE:
            bio.shutdown = number
            return 1
        return int(command == BIO_CTRL_FLUSH)


# -- memory ----------------------------------------------------------------------------------------


class Memory(BIO_METHOD):
    """A buffer that grows."""

    type = BIO_TYPE_MEM
    name = "memory buffer"

    def create(self, bio: BIO) -> None:
        bio.state = bytearray()
        bio.init = True
        bio.num = -1

    def read(self, bio: BIO, size: int, discard: bool) -> Result:
        bio.clear_retry()
        buffer: bytearray = bio.state
        taken = min(size, len(buffer))
        if discard and taken > 0:
            return taken, b""
        if taken > 0:
            data = bytes(buffer[:taken])
            del buffer[:taken]
            return taken, data
        if not buffer:
            if bio.num:
                bio.retry_read()
            return bio.num, b""
        return taken, b""

    def write(self, bio: BIO, data: Readable) -> int:
        if bio.flags & BIO_FLAGS_MEM_RDONLY:
            ERR_raise(ERR_LIB_BIO, BIO_R_WRITE_TO_READ_ONLY_BIO)
            return -1
        bio.clear_retry()
        bio.state += data
        return len(data)

    def gets(self, bio: BIO, size: int) -> Result:
        bio.clear_retry()
        buffer: bytearray = bio.state
        length = min(size - 1, len(buffer))
        if length <= 0:
            return 0, b""
        end = buffer.find(b"\n", 0, length)
        return self.read(bio, length if end < 0 else end + 1, False)

    def control(self, bio: BIO, command: int, number: int, other: Any) -> int:
        if command == BIO_CTRL_RESET:
            bio.state[:] = self.whole()
            return 1
        if command == BIO_CTRL_EOF:
            return int(not bio.state)
        if command == BIO_C_SET_BUF_MEM_EOF_RETURN:
            bio.num = number
            return 1
        if command in (BIO_CTRL_PENDING, BIO_CTRL_INFO):
            return len(bio.state)
        return super().control(bio, command, number, other)

    def whole(self) -> bytes:
        """What a reset leaves."""
        return b""


class ReadOnly(Memory):
    """What BIO_new_mem_buf() makes: a fixed text, which a reset rewinds."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def create(self, bio: BIO) -> None:
        super().create(bio)
        bio.state = bytearray(self.data)
        bio.flags |= BIO_FLAGS_MEM_RDONLY
        bio.num = 0  # what is not there will not come

    def whole(self) -> bytes:
        return self.data


# -- pairs -----------------------------------------------------------------------------------------


class _End:
    """What one end of a pair holds: the bytes that it wrote and the other end has not read."""

    __slots__ = ("buffer", "closed", "peer", "request", "size")

    def __init__(self) -> None:
        self.peer: BIO | None = None
        self.buffer = bytearray()
        self.size = DEFAULT_PAIR_SIZE
        self.closed = False
        self.request = 0
        """How many bytes the other end has last asked for in vain."""


class _Pair(BIO_METHOD):
    type = BIO_TYPE_BIO
    name = "BIO pair"

    def create(self, bio: BIO) -> None:
        bio.state = _End()

    def destroy(self, bio: BIO) -> None:
        self._separate(bio)

    def read(self, bio: BIO, size: int, discard: bool) -> Result:
        bio.clear_retry()
        source: _End = bio.state.peer.state
        source.request = 0
        if discard or not size:
            return 0, b""
        if not source.buffer:
            if source.closed:
                return 0, b""
            bio.retry_read()
            source.request = min(size, source.size)
            return -1, b""
        data = bytes(source.buffer[:size])
        del source.buffer[:size]
        return len(data), data

    def write(self, bio: BIO, data: Readable) -> int:
        bio.clear_retry()
        if not data:
            return 0
        end: _End = bio.state
        end.request = 0
        if end.closed:
            ERR_raise(ERR_LIB_BIO, BIO_R_BROKEN_PIPE)
            return -1
        room = end.size - len(end.buffer)
        if not room:
            bio.retry_write()
            return -1
        taken = data[:room]
        end.buffer += taken
        return len(taken)

    def control(self, bio: BIO, command: int, number: int, other: Any) -> int:
        end: _End = bio.state
        peer = end.peer
        if command == BIO_C_SET_WRITE_BUF_SIZE:
            if peer is not None or not number:
                ERR_raise(ERR_LIB_BIO, BIO_R_IN_USE if peer is not None else BIO_R_INVALID_ARGUMENT)
                return 0
            end.size = number
            return 1
        if command == BIO_C_GET_WRITE_BUF_SIZE:
            return end.size
        if command == BIO_C_MAKE_BIO_PAIR:
            return self._join(bio, other)
        if command == BIO_C_DESTROY_BIO_PAIR:
            self._separate(bio)
            return 1
        if command == BIO_C_GET_WRITE_GUARANTEE:
            return 0 if peer is None or end.closed else end.size - len(end.buffer)
        if command == BIO_C_GET_READ_REQUEST:
            return end.request
        if command == BIO_C_RESET_READ_REQUEST:
            end.request = 0
            return 1
        if command == BIO_C_SHUTDOWN_WR:
            end.closed = True
            return 1
        if command == BIO_CTRL_RESET:
            end.buffer.clear()
            return 0
        if command == BIO_CTRL_PENDING:
            return len(peer.state.buffer) if peer is not None else 0
        if command == BIO_CTRL_WPENDING:
            return len(end.buffer)
        if command == BIO_CTRL_EOF:
            return int(peer is None or (peer.state.closed and not peer.state.buffer))
        return super().control(bio, command, number, other)

    def _join(self, one: BIO, other: BIO) -> int:
        if one.state.peer is not None or other.state.peer is not None:
            ERR_raise(ERR_LIB_BIO, BIO_R_IN_USE)
            return 0
        for bio, peer in ((one, other), (other, one)):
            bio.state.peer = peer
            bio.state.closed = False
            bio.state.request = 0
            bio.init = True
        return 1

    def _separate(self, bio: BIO) -> None:
        peer: BIO | None = bio.state.peer
        if peer is None:
            return
        for end in (bio, peer):
            end.state.peer = None
            end.state.buffer.clear()
            end.init = False


# -- sockets ---------------------------------------------------------------------------------------

_WAIT_AND_SEE = frozenset(
    (
        errno.EWOULDBLOCK,
        errno.EAGAIN,
        errno.EINTR,
        errno.EINPROGRESS,
        errno.EALREADY,
        errno.ENOTCONN,
        errno.EPROTO,
    )
)
"""What BIO_sock_non_fatal_error(3) takes for a reason to try again."""


class _Socket(BIO_METHOD):
    type = BIO_TYPE_SOCKET
    name = "socket"

    def create(self, bio: BIO) -> None:
        bio.shutdown = BIO_NOCLOSE

    def destroy(self, bio: BIO) -> None:
        if bio.shutdown and bio.init:
            try:
                os.close(bio.num)
            except OSError as error:
                set_errno(error.errno or 0)
        if bio.shutdown:
            bio.init = False
            bio.flags = 0

    def read(self, bio: BIO, size: int, discard: bool) -> Result:
        if discard:
            return 0, b""
        set_errno(0)
        try:
            data = os.read(bio.num, size)
        except OSError as error:
            bio.clear_retry()
            set_errno(error.errno or 0)
            if error.errno in _WAIT_AND_SEE:
                bio.retry_read()
            return -1, b""
        bio.clear_retry()
        if not data:
            bio.flags |= BIO_FLAGS_IN_EOF
        return len(data), data

    def write(self, bio: BIO, data: Readable) -> int:
        set_errno(0)
        try:
            written = os.write(bio.num, data)
        except OSError as error:
            bio.clear_retry()
            set_errno(error.errno or 0)
            if error.errno in _WAIT_AND_SEE:
                bio.retry_write()
            return -1
        bio.clear_retry()
        return written

    def control(self, bio: BIO, command: int, number: int, other: Any) -> int:
        if command == BIO_C_SET_FD:
            self.destroy(bio)
            bio.num = other
            bio.shutdown = number
            bio.init = True
            return 1
        if command == BIO_C_GET_FD:
            return bio.num if bio.init else -1
        if command == BIO_CTRL_EOF:
            return int(bool(bio.flags & BIO_FLAGS_IN_EOF))
        return super().control(bio, command, number, other)


class _Null(BIO_METHOD):
    type = BIO_TYPE_NULL
    name = "NULL"

    def create(self, bio: BIO) -> None:
        bio.init = True

    def read(self, bio: BIO, size: int, discard: bool) -> Result:
        return 0, b""

    def write(self, bio: BIO, data: Readable) -> int:
        return len(data)

    def control(self, bio: BIO, command: int, number: int, other: Any) -> int:
        return int(command in (BIO_CTRL_RESET, BIO_CTRL_EOF, BIO_CTRL_SET_CLOSE, BIO_CTRL_FLUSH))


MEMORY, PAIR, SOCKET, NULL = Memory(), _Pair(), _Socket(), _Null()
