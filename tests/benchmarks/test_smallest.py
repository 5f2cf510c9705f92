"""The suite in its smallest form: not how fast anything is, only that it measures and draws."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path


def test_the_suite_runs_and_writes_its_results(tmp_path: Path) -> None:
    figures, drawing = tmp_path / "figures.json", tmp_path / "page.html"
    command = [sys.executable, "-m", "tests.benchmarks", "--smallest", "--loops", "asyncio"]
    command += ["--stacks", "tcp,ssl,aiotls", "--json", str(figures), "--page", str(drawing)]
    root = Path(__file__).resolve().parents[2]
    run = subprocess.run(command, capture_output=True, text=True, cwd=root, timeout=50)
    assert run.returncode == 0, run.stderr
    result = json.loads(figures.read_text())
    names = {work["work"] for work in result["works"]}
    assert "bulk, writes of 64 KiB" in names
    assert "in memory: full handshake" in names
    for work in result["works"]:
        for line in work["lines"]:
            assert line["micros"]["aiotls"] > 0
    assert len(result["memory"]) == 3
    assert "<svg" in drawing.read_text()
    assert "SHORT" in run.stdout or "reached" in run.stdout
