"""BIOs, held to libcrypto's call by call."""

from __future__ import annotations

import os
import socket
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiotls import openssl as ours
from aiotls.openssl import errors

from . import libssl

Call = tuple[Any, ...]
sizes = st.integers(0, 40)
PAIR_CONTROLS = [
    "BIO_ctrl_pending",
    "BIO_ctrl_wpending",
    "BIO_ctrl_get_write_guarantee",
    "BIO_ctrl_get_read_request",
    "BIO_ctrl_reset_read_request",
    "BIO_get_write_buf_size",
    "BIO_eof",
    "BIO_flush",
    "BIO_reset",
    "BIO_shutdown_wr",
    "BIO_destroy_bio_pair",
    "BIO_pending",
    "BIO_wpending",
    "BIO_get_close",
    "BIO_method_type",
    "BIO_method_name",
    "BIO_number_read",
    "BIO_number_written",
]
pair_calls = st.one_of(
    st.tuples(st.just("read"), st.integers(0, 1), sizes),
    st.tuples(st.just("write"), st.integers(0, 1), sizes),
    st.tuples(st.sampled_from(PAIR_CONTROLS), st.integers(0, 1)),
    st.tuples(st.just("size"), st.integers(0, 1), sizes),
    st.tuples(st.just("join")),
)
memory_calls = st.one_of(
    st.tuples(st.just("read"), st.just(0), sizes),
    st.tuples(st.just("write"), st.just(0), sizes),
    st.tuples(st.just("gets"), st.just(0), st.integers(1, 20)),
    st.tuples(st.just("puts"), st.just(0), st.text("ab\n", max_size=9)),
    st.tuples(st.just("eof"), st.just(0), st.sampled_from([-1, 0, -5])),
    st.tuples(st.just("null"), st.just(0), sizes),
    st.tuples(
        st.sampled_from(["BIO_pending", "BIO_wpending", "BIO_eof", "BIO_reset", "BIO_flush"]),
        st.just(0),
    ),
)


def run(api: Any, errs: Any, bios: list[Any], calls: list[Call]) -> list[Any]:
    """What each call returned, what was read, the flags of the BIO and the error it left."""
    trace = []
    for number, (name, *arguments) in enumerate(calls):
        errs.ERR_clear_error()
        bio = bios[arguments[0]] if arguments else bios[0]
        data: object = None
        if name == "read":
            buffer = bytearray(max(arguments[1], 1))
            ret = api.BIO_read(bio, buffer, arguments[1])
            data = bytes(buffer[: max(ret, 0)])
        elif name == "write":
            ret = api.BIO_write(bio, bytes([number % 250]) * arguments[1], arguments[1])
        elif name == "gets":
            buffer = bytearray(arguments[1])
            ret = api.BIO_gets(bio, buffer, arguments[1])
            data = bytes(buffer[: max(ret, 0)])
        elif name == "puts":
            ret = api.BIO_puts(bio, arguments[1])
        elif name == "eof":
            ret = api.BIO_set_mem_eof_return(bio, arguments[1])
        elif name == "null":
            ret = api.BIO_read(bio, None, arguments[1])
        elif name == "size":
            ret = api.BIO_set_write_buf_size(bio, arguments[1])
        elif name == "join":
            ret = api.BIO_make_bio_pair(*bios)
        else:
            ret = getattr(api, name)(bio)
        flags = api.BIO_test_flags(bio, 0xF)
        trace.append((name, ret, data, flags, errs.ERR_peek_error()))
    return trace


def free(api: Any, bios: list[Any]) -> None:
    for bio in bios:
        assert api.BIO_free(bio) == 1


@given(st.integers(0, 30), st.integers(0, 30), st.lists(pair_calls, max_size=40))
def test_a_pair_is_libcryptos(size1: int, size2: int, calls: list[Call]) -> None:
    traces = []
    for api, errs in ((ours, errors), (libssl, libssl)):
        ret, one, other = api.BIO_new_bio_pair(size1, size2)
        assert ret == 1
        traces.append(run(api, errs, [one, other], calls))
        free(api, [one, other])
    assert traces[0] == traces[1]


@given(st.lists(pair_calls, max_size=40))
def test_a_pair_that_is_joined_later_is_libcryptos(calls: list[Call]) -> None:
    traces = []
    for api, errs in ((ours, errors), (libssl, libssl)):
        bios = [api.BIO_new(api.BIO_s_bio()) for _ in range(2)]
        traces.append(run(api, errs, bios, calls))
        free(api, bios)
    assert traces[0] == traces[1]


@given(st.lists(memory_calls, max_size=40))
def test_memory_is_libcryptos(calls: list[Call]) -> None:
    traces = []
    for api, errs in ((ours, errors), (libssl, libssl)):
        bios = [api.BIO_new(api.BIO_s_mem())]
        traces.append(run(api, errs, bios, calls))
        free(api, bios)
    assert traces[0] == traces[1]


@given(st.binary(max_size=30), st.lists(memory_calls, max_size=20))
def test_memory_that_only_reads_is_libcryptos(data: bytes, calls: list[Call]) -> None:
    traces = []
    for api, errs in ((ours, errors), (libssl, libssl)):
        bios = [api.BIO_new_mem_buf(data, len(data))]
        traces.append(run(api, errs, bios, calls))
        free(api, bios)
    assert traces[0] == traces[1]


SOCKET_SCRIPTS: dict[str, list[Call]] = {
    "nothing to read": [("read", 0, 10), ("BIO_eof", 0)],
    "data": [("send", b"hello"), ("read", 0, 3), ("read", 0, 10), ("read", 0, 10)],
    "the end": [("send", b"hi"), ("close",), ("read", 0, 9), ("read", 0, 9), ("BIO_eof", 0)],
    "writing": [("write", 0, 20), ("BIO_pending", 0), ("BIO_wpending", 0), ("BIO_flush", 0)],
    "writing to no one": [("close",), ("write", 0, 9), ("write", 0, 9), ("read", 0, 9)],
    "full": [("fill",), ("write", 0, 9), ("drain",), ("write", 0, 9)],
    "a closed descriptor": [("shut",), ("read", 0, 9), ("write", 0, 9), ("BIO_eof", 0)],
    "asking": [("BIO_get_fd_", 0), ("BIO_get_close", 0), ("BIO_method_type", 0), ("BIO_reset", 0)],
}


@pytest.mark.parametrize("script", SOCKET_SCRIPTS.values(), ids=SOCKET_SCRIPTS)
@pytest.mark.parametrize("family", [socket.AF_UNIX, socket.AF_INET], ids=["unix", "inet"])
def test_a_socket_is_libcryptos(script: list[Call], family: socket.AddressFamily) -> None:
    assert run_socket(ours, errors, script, family) == run_socket(libssl, libssl, script, family)


def connected(family: socket.AddressFamily) -> tuple[socket.socket, socket.socket]:
    if family == socket.AF_UNIX:
        return socket.socketpair()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        return client, listener.accept()[0]


def run_socket(
    api: ModuleType, errs: ModuleType, script: list[Call], family: socket.AddressFamily
) -> list[Any]:
    here, there = connected(family)
    here.setblocking(False)
    trace = []
    bio = api.BIO_new_socket(here.fileno(), 0)
    try:
        for call in script:
            if call[0] == "send":
                there.sendall(call[1])
                await_data(here)
            elif call[0] == "close":
                there.close()
                await_data(here)
            elif call[0] == "shut":
                here.close()
            elif call[0] == "fill":
                trace.append(fill(here))
            elif call[0] == "drain":
                drain(there)
            elif call[0] == "BIO_get_fd_":
                trace.append(api.BIO_get_fd(bio) == here.fileno())
            else:
                trace += run(api, errs, [bio], [call])
        assert api.BIO_free(bio) == 1
    finally:
        here.close()
        there.close()
    return trace


def await_data(sock: socket.socket) -> None:
    import select

    select.select([sock], [], [], 5)


def fill(sock: socket.socket) -> bool:
    try:
        while True:
            sock.send(bytes(65536))
    except BlockingIOError:
        return True


def drain(sock: socket.socket) -> None:
    sock.settimeout(0.05)
    try:
        while sock.recv(1 << 20):
            pass
    except TimeoutError:
        return


def test_bio_close_closes_the_descriptor() -> None:
    here, there = socket.socketpair()
    with there:
        bio = ours.BIO_new_socket(here.detach(), ours.BIO_CLOSE)
        fd = ours.BIO_get_fd(bio)
        assert ours.BIO_free(bio) == 1
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(fd)


def test_a_blocking_socket_blocks() -> None:
    here, there = socket.socketpair()
    with here, there:
        bio = ours.BIO_new_socket(here.fileno(), ours.BIO_NOCLOSE)
        there.sendall(b"there")
        buffer = bytearray(10)
        assert ours.BIO_read(bio, buffer, 10) == 5
        assert buffer[:5] == b"there"


def test_the_null_pointer_is_no_crash() -> None:
    for api, errs in ((ours, errors), (libssl, libssl)):
        errs.ERR_clear_error()
        assert api.BIO_read(None, bytearray(3), 3) == -1
        assert errors.ERR_GET_REASON(errs.ERR_get_error()) == errors.ERR_R_PASSED_NULL_PARAMETER
        assert api.BIO_write(None, b"abc", 3) == 0
        assert api.BIO_pending(None) == -1
        assert api.BIO_ctrl_pending(None) == 0
        assert api.BIO_free(None) == 0
        assert errs.ERR_peek_error() == 0


def test_null_takes_all_and_gives_nothing() -> None:
    for api in (ours, libssl):
        bio = api.BIO_new(api.BIO_s_null())
        buffer = bytearray(5)
        assert api.BIO_write(bio, b"abc", 3) == 3
        assert api.BIO_read(bio, buffer, 5) == 0
        assert api.BIO_eof(bio) == 1
        assert api.BIO_pending(bio) == 0


def test_what_c_leaves_undefined_raises() -> None:
    bio = ours.BIO_new(ours.BIO_s_mem())
    with pytest.raises(TypeError, match="a writable buffer is expected"):
        ours.BIO_read(bio, b"fixed", 5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="has room for 3 bytes, less than num=5"):
        ours.BIO_read(bio, bytearray(3), 5)
    with pytest.raises(TypeError, match="holds 3 bytes, less than num=5"):
        ours.BIO_write(bio, b"abc", 5)
    with pytest.raises(TypeError, match="bytes are expected, not int"):
        ours.BIO_write(bio, 5, 1)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="a BIO is expected, not int"):
        ours.BIO_pending(5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="a BIO of the kind BIO pair is expected"):
        ours.BIO_make_bio_pair(bio, bio)
    assert ours.BIO_up_ref(bio) == 1
    assert ours.BIO_free(bio) == 1
    assert ours.BIO_pending(bio) == 0
    assert ours.BIO_free(bio) == 1
    with pytest.raises(ReferenceError, match="the memory buffer BIO has been freed"):
        ours.BIO_pending(bio)


def test_text_may_be_text() -> None:
    bio = ours.BIO_new(ours.BIO_s_mem())
    assert ours.BIO_write(bio, "größe", 7) == 7
    assert ours.BIO_get_mem_data(bio) == "größe".encode()
    assert ours.BIO_read_ex(bio, bytearray(9), 9) == (1, 7)
    assert ours.BIO_read_ex(bio, bytearray(9), 9) == (0, 0)
    assert ours.BIO_write_ex(bio, b"", 0) == (1, 0)
