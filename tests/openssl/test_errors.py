"""The error queue and its words, held to libcrypto's."""

from __future__ import annotations

import errno
import threading
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiotls.openssl import errors, reasons

from . import libssl

SSL_REASONS = sorted(reasons.SSL_TEXTS)
BIO_REASONS = sorted(reasons.BIO_TEXTS)
COMMON = [
    errors.ERR_R_MALLOC_FAILURE,
    errors.ERR_R_SHOULD_NOT_HAVE_BEEN_CALLED,
    errors.ERR_R_PASSED_NULL_PARAMETER,
    errors.ERR_R_INTERNAL_ERROR,
    errors.ERR_R_DISABLED,
    errors.ERR_R_INIT_FAIL,
    errors.ERR_R_PASSED_INVALID_ARGUMENT,
    errors.ERR_R_OPERATION_FAIL,
    errors.ERR_R_UNSUPPORTED,
    errors.ERR_R_SYS_LIB,
    errors.ERR_R_BUF_LIB,
    errors.ERR_R_PEM_LIB,
    errors.ERR_R_X509_LIB,
    errors.ERR_R_ASN1_LIB,
    errors.ERR_R_EVP_LIB,
    errors.ERR_R_BIO_LIB,
]
CODES = [
    *(errors.ERR_PACK(errors.ERR_LIB_SSL, 0, reason) for reason in SSL_REASONS),
    *(errors.ERR_PACK(errors.ERR_LIB_BIO, 0, reason) for reason in BIO_REASONS),
    *(errors.ERR_PACK(lib, 0, reason) for lib in (20, 32, 11) for reason in COMMON),
    *(1 << 31 | number for number in (errno.ECONNRESET, errno.EPIPE, errno.ENOENT)),
    errors.ERR_PACK(errors.ERR_LIB_SSL, 0, 1999),
    errors.ERR_PACK(200, 0, 5),
    errors.ERR_PACK(errors.ERR_LIB_X509, 0, 116),
    errors.ERR_PACK(errors.ERR_LIB_PEM, 0, 108),
    0,
]


@pytest.fixture(autouse=True)
def empty_queues() -> None:
    errors.ERR_clear_error()
    libssl.ERR_clear_error()


def test_every_error_has_the_words_of_libcrypto() -> None:
    for code in CODES:
        assert errors.ERR_reason_error_string(code) == libssl.ERR_reason_error_string(code), code
        assert errors.ERR_lib_error_string(code) == libssl.ERR_lib_error_string(code), code
        assert errors.ERR_error_string(code) == libssl.ERR_error_string(code), code
        for length in (0, 1, 2, 10, 24, 40, 44, 80):
            ours = errors.ERR_error_string_n(code, None, length)
            assert ours == libssl.ERR_error_string_n(code, None, length), (code, length)


def test_no_reason_of_libssl_is_missing() -> None:
    known = {
        reason
        for reason in range(1, 2000)
        if libssl._reason_string(errors.ERR_PACK(errors.ERR_LIB_SSL, 0, reason))
        and reason not in range(2, 62)
    }
    common = {reason for reason in range(1, 2000) if libssl._reason_string(reason)}
    assert known - common == set(SSL_REASONS)


def test_a_text_is_also_written_to_a_buffer() -> None:
    buffer = bytearray(256)
    text = errors.ERR_error_string(errors.ERR_PACK(20, 0, 127), buffer)
    assert buffer.rstrip(b"\0").decode() == text


Step = tuple[str, int, int]
steps = st.lists(
    st.one_of(
        st.tuples(
            st.just("raise"),
            st.sampled_from([errors.ERR_LIB_SSL, errors.ERR_LIB_BIO, errors.ERR_LIB_SYS]),
            st.integers(1, 300),
        ),
        st.tuples(
            st.sampled_from(
                [
                    "ERR_get_error",
                    "ERR_peek_error",
                    "ERR_peek_last_error",
                    "ERR_set_mark",
                    "ERR_pop_to_mark",
                    "ERR_clear_last_mark",
                ]
            ),
            st.just(0),
            st.just(0),
        ),
        st.tuples(st.just("flood"), st.integers(1, 20), st.just(0)),
        st.tuples(st.just("ERR_clear_error"), st.just(0), st.just(0)),
    ),
    max_size=30,
)


def run(api: ModuleType, script: list[Step]) -> list[object]:
    api.ERR_clear_error()
    results: list[object] = []
    for name, first, second in script:
        if name == "raise":
            api.ERR_raise(first, second)
        elif name == "flood":
            for number in range(first):
                api.ERR_raise(errors.ERR_LIB_SSL, 100 + number)
        else:
            results.append(getattr(api, name)())
    while code := api.ERR_get_error():
        results.append(code)
    return results


@given(steps)
def test_the_queue_is_libcryptos(script: list[Step]) -> None:
    assert run(errors, script) == run(libssl, script)


def test_each_thread_has_its_own_queue() -> None:
    errors.ERR_raise(errors.ERR_LIB_SSL, reasons.SSL_R_BAD_LENGTH)
    found = []
    thread = threading.Thread(target=lambda: found.append(errors.ERR_peek_error()))
    thread.start()
    thread.join()
    assert found == [0]
    assert errors.ERR_GET_REASON(errors.ERR_get_error()) == reasons.SSL_R_BAD_LENGTH


def test_an_error_knows_where_it_was_found() -> None:
    errors.ERR_raise_data(errors.ERR_LIB_SSL, reasons.SSL_R_BAD_LENGTH, "more")
    code, file, line, function, data, flags = errors.ERR_get_error_all()
    assert errors.ERR_GET_LIB(code) == errors.ERR_LIB_SSL
    assert file == __file__
    assert line
    assert function == "test_an_error_knows_where_it_was_found"
    assert (data, flags) == ("more", errors.ERR_TXT_MALLOCED | errors.ERR_TXT_STRING)


def test_errors_are_printed_line_by_line() -> None:
    lines: list[str] = []

    def collect(line: str, length: int, user: object) -> int:
        assert length == len(line)
        assert user == "me"
        lines.append(line)
        return 1

    errors.ERR_raise(errors.ERR_LIB_SSL, reasons.SSL_R_BAD_LENGTH)
    errors.ERR_raise(errors.ERR_LIB_BIO, reasons.BIO_R_BROKEN_PIPE)
    errors.ERR_print_errors_cb(collect, "me")
    assert [line.split(":")[4] for line in lines] == [
        "test_errors_are_printed_line_by_line",
        "test_errors_are_printed_line_by_line",
    ]
    assert errors.ERR_peek_error() == 0
