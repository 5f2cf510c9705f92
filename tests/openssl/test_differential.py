"""aiotls.openssl does what libssl does, call by call, on thousands of scripts.

What may differ stands in differences.py, with reasons. A script that fails is printed as it can be
pasted: ``check(script(number))`` runs it again.
"""

from __future__ import annotations

import os
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from . import libssl
from .differences import ALLOWED, Difference
from .scripts import Writer, check, script

SCRIPTS = 5000
CHUNK = 100


@pytest.fixture(autouse=True)
def _reference() -> None:
    """The scripts ask for OpenSSL 3.0's answers; other versions have others."""
    if not libssl.VERSION.startswith(libssl.KNOWN):
        refuse = pytest.fail if os.environ.get("AIOTLS_REQUIRE_PEERS") else pytest.skip
        refuse(f"the system's libssl is {libssl.VERSION}, and the traces are {libssl.KNOWN}x's")


@pytest.mark.slow
@pytest.mark.parametrize("first", range(CHUNK, SCRIPTS, CHUNK))
def test_scripts_leave_the_same_trace(first: int) -> None:
    for number in range(first, first + CHUNK):
        check(script(number))


def test_a_hundred_scripts_leave_the_same_trace() -> None:
    for number in range(CHUNK):
        check(script(number))


@settings(max_examples=200, derandomize=True)
@given(st.randoms(use_true_random=False))
def test_scripts_that_hypothesis_writes_leave_the_same_trace(chance: random.Random) -> None:
    check(Writer(chance).script())


def test_few_differences_are_allowed_and_each_has_its_reason() -> None:
    for difference in ALLOWED:
        print(f"{difference.name}\n    {difference.reason}")
        assert difference.reason.endswith(".")
        assert difference.clean is not None or difference.ends is not None
    assert len(ALLOWED) <= 10
    assert len({difference.name for difference in ALLOWED}) == len(ALLOWED)


@pytest.mark.parametrize("difference", ALLOWED, ids=lambda difference: difference.name)
def test_each_difference_is_there(difference: Difference) -> None:
    shown = script(difference.seen_in)
    check(shown)
    with pytest.raises(AssertionError, match="differs"):
        check(shown, [other for other in ALLOWED if other is not difference])
