"""The table of rivals.py: where they fail is data, where this package fails is a failure."""

from __future__ import annotations

import pytest

from .engines import CONTROL, OURS
from .rivals import table

pytestmark = [pytest.mark.interop, pytest.mark.slow, pytest.mark.timeout(300)]


def test_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("uvloop")
    text, columns = table()
    with capsys.disabled():
        print(f"\n{text}")
    for (loop, client, server), cells in columns.items():
        if {client, server} <= {CONTROL, OURS}:
            assert set(cells.values()) == {"ok"}, (loop, client, server, text)
