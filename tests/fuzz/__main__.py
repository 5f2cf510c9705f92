"""Fuzzes one target: ``python -m tests.fuzz handshake --seconds 60 [--corpus DIRECTORY]``.

Needs atheris (``pip install --group fuzz``). New inputs go to the directory, or to none; what
breaks a target is written to ``crash-…`` in ``--artifacts`` (the working directory).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["aiotls"]):
    from tests.fuzz import targets

HERE = Path(__file__).parent


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Fuzz one target.")
    parser.add_argument("target", choices=sorted(targets.TARGETS))
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--corpus", help="where new inputs are kept", default=None)
    parser.add_argument("--artifacts", default=".", help="where a finding is written")
    parser.add_argument("--seed", type=int, default=0, help="0: another one each time")
    options = parser.parse_args()
    kept = options.corpus or tempfile.mkdtemp(prefix="aiotls-fuzz-")
    known = HERE / "corpus" / options.target
    arguments = [
        sys.argv[0],
        f"-max_total_time={options.seconds}",
        f"-artifact_prefix={options.artifacts.rstrip('/')}/",
        "-timeout=10",  # seconds for one input: what takes longer is a finding
        "-rss_limit_mb=1024",
        "-max_len=8192",
        "-len_control=0",  # long inputs from the beginning: a handshake is not short
        "-print_final_stats=1",
        f"-seed={options.seed}",
        kept,
        *([str(known)] if known.is_dir() else []),
    ]
    atheris.Setup(arguments, targets.TARGETS[options.target])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
