"""bench, in its smallest form: that it measures, not how fast anything is."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from aiotls.bench import engines, stacks
from aiotls.cli import main

from .conftest import Run, environment


def test_bench_shows_each_work_on_lines_that_fit(aiotls: Run) -> None:
    options = ["--rounds", "1", "--scale", "0.01", "--stacks", "ssl,aiotls", "--loops", "asyncio"]
    done = aiotls("bench", *options, "--only", "request")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "request and response, 100 B"
    assert any(line.split()[:2] == ["asyncio", "aiotls"] for line in lines)
    assert any(line.split()[:2] == ["asyncio", "ssl"] for line in lines)
    assert max(map(len, lines)) <= 60
    assert done.stdout.isascii()
    assert done.stderr == ""


def test_bench_as_json(aiotls: Run) -> None:
    options = ["--rounds", "1", "--scale", "0.01", "--only", "in memory: full", "--tls", "1.2"]
    told = json.loads(aiotls("bench", "--json", *options).stdout)
    assert told["ok"] is True
    assert told["version"] == "1.2"
    assert told["suite"] == "ECDHE-ECDSA-AES128-GCM-SHA256"
    (work,) = told["works"]
    assert work["work"] == "in memory: full handshake"
    assert work["lines"][0]["micros"]["aiotls"] > 0
    assert work["lines"][0]["ratios"]["aiotls"]["ssl"]["middle"] > 0


def test_bench_of_nothing_is_a_wrong_argument(aiotls: Run) -> None:
    done = aiotls("bench", "--only", "renegotiation")
    assert done.returncode == 2
    assert done.stderr.startswith("aiotls: no work has 'renegotiation' in its name\n")
    assert "in memory: full handshake" in done.stderr


def test_bench_knows_its_stacks_and_loops(aiotls: Run) -> None:
    for option, name in (("--stacks", "gnutls"), ("--loops", "tokio")):
        done = aiotls("bench", option, name)
        assert done.returncode == 2
        assert name in done.stderr


def test_bench_takes_no_rounds_that_are_none(aiotls: Run) -> None:
    for rounds in ("0", "-1", "many"):
        done = aiotls("bench", "--rounds", rounds)
        assert done.returncode == 2
        assert "--rounds" in done.stderr


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_bench_ends_at_a_signal_with_nothing_left_behind(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    options = ["--rounds", "40", "--scale", "0.01", "--stacks", "ssl,aiotls"]
    command = [sys.executable, "-m", "aiotls", "bench", *options, "--only", "in memory: 1"]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(TMPDIR=str(tmp_path)),
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "in memory: 16 KiB\n"
        assert list(tmp_path.iterdir()) != []
        process.send_signal(number)
        _, stderr = process.communicate(timeout=50)
    assert process.returncode == code
    assert stderr == ""
    assert list(tmp_path.iterdir()) == []


def test_bench_of_stacks_that_are_not_installed_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(stacks, "available", lambda stack, loop: False)
    monkeypatch.setattr(engines, "available", lambda name: False)
    assert main(["bench", "--all", "--rounds", "1"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("aiotls: none of these stacks is installed")
