"""Signals and forks, each in a program of its own, which has nothing to complain of at its end."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXPECTED = {
    "interrupted": "the handshake was cancelled: True\nKeyboardInterrupt\n",
    "terminated": "left: 0\n",
    "showered": "signals: True\n",
    "forked": "the connection outlived the fork\n",
    "prefork": "[0, 0, 0]\n",
}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has neither")
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("what", EXPECTED)
def test_a_program_that_is_struck(what: str, loop: str) -> None:
    if loop == "uvloop" and not os.environ.get("AIOTLS_REQUIRE_PEERS"):
        pytest.importorskip("uvloop")
    # Since Python 3.12 a fork beside any thread is warned of, and libuv has threads.
    quiet = ("-W", "always::ResourceWarning", "-W", "ignore:This process:DeprecationWarning")
    done = subprocess.run(
        [sys.executable, *quiet, "-m", "tests.faults.program", what, loop],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=55,
    )
    assert done.stdout == EXPECTED[what], done.stderr
    assert done.returncode == 0, done.stderr
    # No task destroyed while pending, no exception never retrieved, no transport unclosed.
    assert done.stderr == ""
