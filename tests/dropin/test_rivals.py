"""The table of rivals.py: where this package fails is a failure, where they fail is known."""

from __future__ import annotations

import pytest

from .engines import module
from .rivals import KNOWN, known, measure, table

pytestmark = [pytest.mark.interop, pytest.mark.slow, pytest.mark.timeout(300)]


def test_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("uvloop")
    outcomes = measure()
    with capsys.disabled():
        print(f"\n{table(outcomes)}")
    for key, found in outcomes.items():
        if key.has_to_hold:
            assert found == "ok", key
    for key, found in outcomes.items():
        # With the versions that are known: others may have mended it.
        assert known(key) in (found, None), key
    for rival in {rival for rival, _ in KNOWN}:
        module(rival)
        assert any(rival in key.pairing for key in outcomes)
