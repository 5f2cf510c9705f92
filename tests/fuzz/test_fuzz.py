"""The corpus is replayed by every run; AIOTLS_FUZZ_SECONDS=60 looks for more in each target."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.targets import TARGETS

HERE = Path(__file__).parent
SECONDS = int(os.environ.get("AIOTLS_FUZZ_SECONDS", "0"))
"""How long to look for new inputs; 0, the default: not at all, as it is another run each time."""


@pytest.mark.parametrize("target", TARGETS)
def test_the_corpus_holds(target: str) -> None:
    run = TARGETS[target]
    run(b"")
    files = sorted((HERE / "corpus" / target).iterdir())
    assert files, "a target without a corpus"
    for file in files:
        data = file.read_bytes()
        run(data)
        run(data[: len(data) // 2])


def test_the_corpus_is_small() -> None:
    sizes = [file.stat().st_size for file in (HERE / "corpus").rglob("*") if file.is_file()]
    assert sum(sizes) < 400_000
    assert {directory.name for directory in (HERE / "corpus").iterdir()} == set(TARGETS)


@pytest.mark.slow
@pytest.mark.timeout(SECONDS + 120)
@pytest.mark.parametrize("target", TARGETS if SECONDS else ())
def test_nothing_is_found_in_a_while(target: str, tmp_path: Path) -> None:
    if not os.environ.get("AIOTLS_REQUIRE_PEERS"):
        pytest.importorskip("atheris")
    done = subprocess.run(
        [
            sys.executable,
            *("-m", "tests.fuzz", target),
            *("--seconds", str(SECONDS)),
            *("--seed", os.environ.get("AIOTLS_FUZZ_SEED", "0")),
            *("--artifacts", str(tmp_path)),
        ],
        cwd=HERE.parent.parent,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    findings = [f"{file.name}: {file.read_bytes().hex()}" for file in tmp_path.iterdir()]
    assert done.returncode == 0, "\n".join([done.stderr[-6000:], *findings])
    executions = re.search(r"number_of_executed_units:\s*(\d+)", done.stderr)
    assert executions is not None, done.stderr[-2000:]
    assert int(executions[1]) > 50
    print(f"{target}: {executions[1]} executions")
