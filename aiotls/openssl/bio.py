"""BIOs, what TLS reads from and writes to: bio(7), BIO_s_mem(3), BIO_s_bio(3), BIO_s_socket(3).

Four kinds: a buffer in memory, a pair of buffers of a fixed size whose two ends are BIOs, a socket
by its descriptor, and nothing (``BIO_s_null``). Reading and writing return how many bytes it was;
0 and less say that it was none, and :func:`BIO_should_retry` whether another time may be better.

Of what C hands back through pointers the function's own code comes first in a tuple:
``BIO_new_bio_pair(0, 0) -> (1, one, other)``. What C leaves undefined raises: ReferenceError for
a BIO that was freed, TypeError for an argument of the wrong kind, or a buffer that is too short.
"""

from __future__ import annotations

from typing import Any

from .arguments import check_bio, check_int, input_view, output_view
from .bio_kinds import (
    BIO,
    BIO_C_DESTROY_BIO_PAIR,
    BIO_C_GET_FD,
    BIO_C_GET_READ_REQUEST,
    BIO_C_GET_WRITE_BUF_SIZE,
    BIO_C_GET_WRITE_GUARANTEE,
    BIO_C_MAKE_BIO_PAIR,
    BIO_C_RESET_READ_REQUEST,
    BIO_C_SET_BUF_MEM_EOF_RETURN,
    BIO_C_SET_FD,
    BIO_C_SET_WRITE_BUF_SIZE,
    BIO_C_SHUTDOWN_WR,
    BIO_CTRL_EOF,
    BIO_CTRL_FLUSH,
    BIO_CTRL_GET_CLOSE,
    BIO_CTRL_PENDING,
    BIO_CTRL_RESET,
    BIO_CTRL_SET_CLOSE,
    BIO_CTRL_WPENDING,
    BIO_FLAGS_IO_SPECIAL,
    BIO_FLAGS_READ,
    BIO_FLAGS_RWS,
    BIO_FLAGS_SHOULD_RETRY,
    BIO_FLAGS_WRITE,
    BIO_METHOD,
    MEMORY,
    NULL,
    PAIR,
    SOCKET,
    Memory,
    Readable,
    ReadOnly,
    Writable,
)
from .errors import ERR_LIB_BIO, ERR_R_PASSED_NULL_PARAMETER, ERR_raise
from .reasons import BIO_R_INVALID_ARGUMENT, BIO_R_UNINITIALIZED


def BIO_s_mem() -> BIO_METHOD:
    """A buffer in memory that grows."""
    return MEMORY


def BIO_s_bio() -> BIO_METHOD:
    """One end of a pair."""
    return PAIR


def BIO_s_socket() -> BIO_METHOD:
    """A socket by its descriptor."""
    return SOCKET


def BIO_s_null() -> BIO_METHOD:
    """Takes everything and gives nothing."""
    return NULL


# -- making and freeing ----------------------------------------------------------------------------


def BIO_new(method: BIO_METHOD) -> BIO:
    """A new BIO of a kind, such as BIO_s_mem()."""
    if not isinstance(method, BIO_METHOD):
        raise TypeError(f"a BIO_METHOD is expected, not {type(method).__name__}")
    return BIO(method)


def BIO_new_mem_buf(data: Readable | str, length: int) -> BIO:
    """A BIO that only reads, out of *data*; with a negative *length* all of it."""
    if length < 0:
        length = len(data.encode() if isinstance(data, str) else data)
    return BIO(ReadOnly(bytes(input_view(data, length))))


def BIO_new_socket(sock: int, close_flag: int) -> BIO:
    """A BIO over a socket's descriptor, which BIO_CLOSE closes with it."""
    bio = BIO(SOCKET)
    BIO_set_fd(bio, sock, close_flag)
    return bio


def BIO_new_bio_pair(writebuf1: int, writebuf2: int) -> tuple[int, BIO | None, BIO | None]:
    """Two BIOs, each reading what is written to the other: ``(ret, bio1, bio2)``.

    Each holds as many bytes as its argument says, 0 for 17 KiB.
    """
    one, other = BIO(PAIR), BIO(PAIR)
    for bio, size in ((one, writebuf1), (other, writebuf2)):
        if check_int(size, "the size of a buffer"):
            bio.control(BIO_C_SET_WRITE_BUF_SIZE, size)
    BIO_make_bio_pair(one, other)
    return 1, one, other


def BIO_make_bio_pair(b1: BIO, b2: BIO) -> int:
    """Joins two BIOs of BIO_s_bio(); 0 where one of them is joined already."""
    one, other = check_bio(b1, kind=PAIR), check_bio(b2, kind=PAIR)
    return one.control(BIO_C_MAKE_BIO_PAIR, 0, other)


def BIO_destroy_bio_pair(bio: BIO) -> int:
    """Separates the two; what was not read is lost."""
    return check_bio(bio).control(BIO_C_DESTROY_BIO_PAIR)


def BIO_up_ref(bio: BIO) -> int:
    """One more holds it, and has to free it."""
    check_bio(bio).references += 1
    return 1


def BIO_free(bio: BIO | None) -> int:
    """Lets go of it; the last one frees it. 0 for None."""
    if bio is None:
        return 0
    check_bio(bio).release()
    return 1


def BIO_vfree(bio: BIO | None) -> None:
    """BIO_free() without a code."""
    BIO_free(bio)


def BIO_free_all(bio: BIO | None) -> None:
    """Frees a chain of BIOs; here each is a chain of its own."""
    BIO_free(bio)


# -- reading and writing ---------------------------------------------------------------------------


def BIO_read(bio: BIO | None, buf: Writable | None, num: int) -> int:
    """Reads at most *num* bytes to *buf* and returns how many; 0 or less where it is none.

    -1 with BIO_should_retry() where there may be some later; -2 where the kind cannot read.
    """
    if num < 0:
        return 0
    if bio is None:
        ERR_raise(ERR_LIB_BIO, ERR_R_PASSED_NULL_PARAMETER)
        return -1
    view = None if buf is None else output_view(buf, num)
    ret, data = check_bio(bio).read(num, discard=view is None)
    if ret > 0 and view is not None:
        view[:ret] = data
    return ret


def BIO_read_ex(bio: BIO | None, buf: Writable | None, num: int) -> tuple[int, int]:
    """``(1, readbytes)``, or ``(0, 0)`` where nothing was read."""
    ret = BIO_read(bio, buf, num)
    return (1, ret) if ret > 0 else (0, 0)


def BIO_write(bio: BIO | None, data: Readable | str | None, num: int) -> int:
    """Writes *num* bytes of *data* and returns how many were taken; 0 or less where it is none."""
    if num <= 0 or bio is None:
        return 0
    check_bio(bio)
    if data is None:
        if bio.method is PAIR:
            return 0
        ERR_raise(ERR_LIB_BIO, ERR_R_PASSED_NULL_PARAMETER)
        return -1
    return bio.write(input_view(data, num))


def BIO_write_ex(bio: BIO | None, data: Readable | str | None, num: int) -> tuple[int, int]:
    """``(1, written)``, or ``(0, 0)`` where nothing was taken; to write nothing is a success."""
    ret = BIO_write(bio, data, num)
    return (1, ret) if ret > 0 else (int(bio is not None and num == 0), 0)


def BIO_puts(bio: BIO | None, text: str | Readable) -> int:
    """Writes a whole text, without its end; how many bytes were taken, or -1."""
    if bio is None:
        ERR_raise(ERR_LIB_BIO, ERR_R_PASSED_NULL_PARAMETER)
        return -1
    encoded = text.encode() if isinstance(text, str) else bytes(text)
    return check_bio(bio).write(encoded)


def BIO_gets(bio: BIO | None, buf: Writable, size: int) -> int:
    """Reads one line of at most *size* − 1 bytes to *buf*, a zero behind it."""
    if bio is None:
        ERR_raise(ERR_LIB_BIO, ERR_R_PASSED_NULL_PARAMETER)
        return -1
    if size < 0:
        ERR_raise(ERR_LIB_BIO, BIO_R_INVALID_ARGUMENT)
        return -1
    view = output_view(buf, size)
    bio = check_bio(bio)
    if not bio.init:
        ERR_raise(ERR_LIB_BIO, BIO_R_UNINITIALIZED)
        return -1
    ret, data = bio.method.gets(bio, size)
    if ret >= 0 and size:
        view[: len(data) + 1] = data + b"\0"
    bio.number_read += max(ret, 0)
    return ret


# -- what the last call wished for -----------------------------------------------------------------


def BIO_get_flags(bio: BIO) -> int:
    """All BIO_FLAGS_* that are set, those of a retry among them."""
    return check_bio(bio).flags


def BIO_test_flags(bio: BIO, flags: int) -> int:
    """Those of *flags* that are set."""
    return check_bio(bio).flags & flags


def BIO_set_flags(bio: BIO, flags: int) -> None:
    """Sets BIO_FLAGS_* beside those that are set."""
    check_bio(bio).flags |= flags


def BIO_clear_flags(bio: BIO, flags: int) -> None:
    """Clears these BIO_FLAGS_*, and leaves the others."""
    check_bio(bio).flags &= ~flags


def BIO_should_read(bio: BIO) -> int:
    """Not 0 where the last call waits for something to read."""
    return BIO_test_flags(bio, BIO_FLAGS_READ)


def BIO_should_write(bio: BIO) -> int:
    """Not 0 where the last call waits for room to write."""
    return BIO_test_flags(bio, BIO_FLAGS_WRITE)


def BIO_should_io_special(bio: BIO) -> int:
    """Not 0 where the last call waits for something else."""
    return BIO_test_flags(bio, BIO_FLAGS_IO_SPECIAL)


def BIO_retry_type(bio: BIO) -> int:
    """Which of the three it is."""
    return BIO_test_flags(bio, BIO_FLAGS_RWS)


def BIO_should_retry(bio: BIO) -> int:
    """Not 0 where the last call may be repeated; 0 where it failed for good."""
    return BIO_test_flags(bio, BIO_FLAGS_SHOULD_RETRY)


def BIO_get_retry_flags(bio: BIO) -> int:
    """The flags that tell of a retry."""
    return BIO_test_flags(bio, BIO_FLAGS_RWS | BIO_FLAGS_SHOULD_RETRY)


def BIO_clear_retry_flags(bio: BIO) -> None:
    """Forgets that the last call is to be repeated. BIO_should_retry(3)."""
    BIO_clear_flags(bio, BIO_FLAGS_RWS | BIO_FLAGS_SHOULD_RETRY)


def BIO_set_retry_read(bio: BIO) -> None:
    """Marks that reading may succeed another time."""
    check_bio(bio).retry_read()


def BIO_set_retry_write(bio: BIO) -> None:
    """Marks that writing may succeed another time."""
    check_bio(bio).retry_write()


def BIO_set_retry_special(bio: BIO) -> None:
    """Marks that something else has to happen first."""
    BIO_set_flags(bio, BIO_FLAGS_IO_SPECIAL | BIO_FLAGS_SHOULD_RETRY)


def BIO_get_retry_reason(bio: BIO) -> int:
    """What that is: ``BIO_RR_…``."""
    return check_bio(bio).retry_reason


def BIO_set_retry_reason(bio: BIO, reason: int) -> None:
    """Says why a call is to be repeated: one of BIO_RR_*. BIO_should_retry(3)."""
    check_bio(bio).retry_reason = reason


# -- asking and telling ----------------------------------------------------------------------------


def BIO_ctrl(bio: BIO | None, cmd: int, larg: int, parg: Any = None) -> int:
    """The commands behind the functions below; -1 for None."""
    return -1 if bio is None else check_bio(bio).control(cmd, larg, parg)


def BIO_pending(bio: BIO | None) -> int:
    """Bytes that can be read now."""
    return BIO_ctrl(bio, BIO_CTRL_PENDING, 0)


def BIO_wpending(bio: BIO | None) -> int:
    """Bytes that were written and are still here."""
    return BIO_ctrl(bio, BIO_CTRL_WPENDING, 0)


def BIO_ctrl_pending(bio: BIO | None) -> int:
    """Bytes that can be read now; never below 0."""
    return max(0, BIO_pending(bio))


def BIO_ctrl_wpending(bio: BIO | None) -> int:
    """Bytes that were written and are still here; never below 0."""
    return max(0, BIO_wpending(bio))


def BIO_eof(bio: BIO | None) -> int:
    """1 where nothing more can come."""
    return BIO_ctrl(bio, BIO_CTRL_EOF, 0)


def BIO_flush(bio: BIO | None) -> int:
    """1: nothing is held back here."""
    return BIO_ctrl(bio, BIO_CTRL_FLUSH, 0)


def BIO_reset(bio: BIO | None) -> int:
    """Empties it, or rewinds it where it only reads."""
    return BIO_ctrl(bio, BIO_CTRL_RESET, 0)


def BIO_get_close(bio: BIO) -> int:
    """Whether freeing closes what is below."""
    return BIO_ctrl(bio, BIO_CTRL_GET_CLOSE, 0)


def BIO_set_close(bio: BIO, flag: int) -> int:
    """BIO_CLOSE or BIO_NOCLOSE: what becomes of the source with the BIO. Always 1. BIO_ctrl(3)."""
    BIO_ctrl(bio, BIO_CTRL_SET_CLOSE, flag)
    return 1


def BIO_set_mem_eof_return(bio: BIO, value: int) -> int:
    """What reading an empty memory BIO returns: -1 (try again) at first, 0 for an end."""
    return BIO_ctrl(bio, BIO_C_SET_BUF_MEM_EOF_RETURN, value)


def BIO_get_mem_data(bio: BIO) -> bytes:
    """What a memory BIO holds; it stays there."""
    bio = check_bio(bio)
    if not isinstance(bio.method, Memory):
        raise TypeError(f"a memory BIO is expected, not {bio.method.name}")
    return bytes(bio.state)


def BIO_set_write_buf_size(bio: BIO, size: int) -> int:
    """How many bytes one end of a pair holds; 0 once it is joined."""
    return BIO_ctrl(bio, BIO_C_SET_WRITE_BUF_SIZE, size)


def BIO_get_write_buf_size(bio: BIO, size: int = 0) -> int:
    """How many bytes one end of a pair holds. *size* is not looked at."""
    return BIO_ctrl(bio, BIO_C_GET_WRITE_BUF_SIZE, size)


def BIO_get_write_guarantee(bio: BIO) -> int:
    """How many bytes can be written to this end of a pair now."""
    return BIO_ctrl(bio, BIO_C_GET_WRITE_GUARANTEE, 0)


def BIO_ctrl_get_write_guarantee(bio: BIO) -> int:
    """As BIO_get_write_guarantee: bytes that a write now takes. BIO_s_bio(3)."""
    return BIO_get_write_guarantee(bio)


def BIO_get_read_request(bio: BIO) -> int:
    """How many bytes the other end has asked for in vain; 0 where it has not."""
    return BIO_ctrl(bio, BIO_C_GET_READ_REQUEST, 0)


def BIO_ctrl_get_read_request(bio: BIO) -> int:
    """As BIO_get_read_request: bytes that the other end wanted to read. BIO_s_bio(3)."""
    return BIO_get_read_request(bio)


def BIO_ctrl_reset_read_request(bio: BIO) -> int:
    """Forgets what was asked for."""
    return int(BIO_ctrl(bio, BIO_C_RESET_READ_REQUEST, 0) != 0)


def BIO_shutdown_wr(bio: BIO) -> int:
    """Nothing more will be written to this end of a pair; the other end reads an EOF."""
    return BIO_ctrl(bio, BIO_C_SHUTDOWN_WR, 0)


def BIO_set_fd(bio: BIO, fd: int, close_flag: int) -> int:
    """The descriptor of a socket BIO, and whether freeing closes it."""
    return BIO_ctrl(bio, BIO_C_SET_FD, close_flag, check_int(fd, "a descriptor"))


def BIO_get_fd(bio: BIO) -> int:
    """The descriptor; -1 where none was set."""
    return BIO_ctrl(bio, BIO_C_GET_FD, 0)


def BIO_method_type(bio: BIO) -> int:
    """The number of its kind: ``BIO_TYPE_…``."""
    return check_bio(bio).method.type


def BIO_method_name(bio: BIO) -> str:
    """The name of the BIO's kind, such as "memory buffer"."""
    return check_bio(bio).method.name


def BIO_number_read(bio: BIO) -> int:
    """How many bytes were read from it so far."""
    return check_bio(bio).number_read


def BIO_number_written(bio: BIO) -> int:
    """How many bytes were written to it so far."""
    return check_bio(bio).number_written
