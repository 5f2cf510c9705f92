"""Every feature with every peer that has it, both ways, as table.py lists them."""

from __future__ import annotations

from pathlib import Path

import pytest

from .bench import Bench
from .peer import Peer
from .peers import ALSO, PEERS
from .pki import PKI
from .report import cell_of, identifier, scenarios
from .table import DIRECTIONS, ELSEWHERE, NAMES, TABLE, Scenario

BY_NAME = {peer.name: peer for peer in (*PEERS, *ALSO)}
HERE = Path(__file__).parent


@pytest.mark.asyncio(loop_factories=["asyncio"])
@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("peer", "scenario"),
    [
        pytest.param(BY_NAME[cell.peer], scenario, id=identifier(cell))
        for cell, scenario in scenarios()
    ],
    indirect=["peer"],
)
async def test_feature(peer: Peer, scenario: Scenario, pki: PKI, tmp_path: Path) -> None:
    await scenario(Bench(peer, pki, tmp_path))


def test_the_table_is_complete() -> None:
    for feature, directions in TABLE.items():
        assert tuple(directions) == DIRECTIONS, feature
        for direction, row in directions.items():
            assert set(row) == set(NAMES), f"{feature}, {direction}"
            # Who has a scenario is named, and who has none has a reason.
            assert all(row.values()), f"{feature}, {direction}"


@pytest.mark.parametrize("feature", TABLE)
def test_a_test_finds_its_cell(feature: str) -> None:
    for cell, _ in scenarios():
        node = f"tests/interop/test_features.py::test_feature[asyncio-{identifier(cell)}]"
        assert cell_of(node) == cell


@pytest.mark.parametrize("feature", ELSEWHERE)
def test_the_tests_elsewhere_are_there(feature: str) -> None:
    for beginning in ELSEWHERE[feature]:
        texts = [(HERE / f"test_{direction}.py").read_text() for direction in DIRECTIONS]
        assert any(f"async def {beginning}" in text for text in texts), beginning
