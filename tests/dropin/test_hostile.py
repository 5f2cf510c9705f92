"""Bytes of hostile peers: exceptions with the class, errno, library and reason of OpenSSL's."""

from __future__ import annotations

import os
import socket
import ssl

import pytest

from .engines import CONTROL, OURS, Files
from .hostile import DAMAGED, DIFFERENCES, STEPS, difference, outcomes
from .test_sockets import Sockets, outcome

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(120),
    pytest.mark.skipif(
        ssl.OPENSSL_VERSION_INFO[:2] != (3, 0), reason="compared with OpenSSL 3.0, as written down"
    ),
]


@pytest.mark.parametrize("step", [*STEPS, *DAMAGED])
def test_errors_are_those_of_the_control(step: str, files: Files) -> None:
    unknown = {}
    for what, come in outcomes(step, files):
        theirs, ours = come(CONTROL), come(OURS)
        if ours != theirs and difference(step, what, theirs, ours) is None:
            unknown[what] = (theirs, ours)
    assert not unknown


def test_each_difference_is_one(files: Files) -> None:
    """Each row of the table is still needed, for the first step and thing that it names."""
    left = set(DIFFERENCES)
    for step in (*STEPS, *DAMAGED):
        if not left:
            break
        for what, come in outcomes(step, files):
            if any(one.may_concern(step, what) for one in left):
                theirs, ours = come(CONTROL), come(OURS)
                if ours != theirs:
                    left.discard(difference(step, what, theirs, ours))
    assert not left


@pytest.mark.parametrize("begun", [b"\x16\3\3\0\4", b"\x15\3\3\0\2\2", b"\x16\3\3\x4a\0"])
def test_a_socket_does_not_wait_for_what_it_will_refuse(begun: bytes, files: Files) -> None:
    """The header of a record is enough; the peer does not close."""
    found = []
    for engine in (CONTROL, OURS):
        pair = Sockets(engine, files).shake_hands()
        try:
            with socket.socket(fileno=os.dup(pair.server.fileno())) as below:
                below.sendall(begun)
                found.append(outcome(lambda pair=pair: pair.client.recv(100)))  # type: ignore[misc]
        finally:
            pair.close()
    assert found[0] == found[1]
    assert found[0][0] == "SSLError"
