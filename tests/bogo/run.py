"""Runs a built runner over the shim, and says how it went.

    python tests/bogo/run.py --runner PATH [--directory PATH] [-- the runner's own arguments]

Prints 'N passed, M failed, K unimplemented, L out of scope' and what failed; the exit status
is 0 when nothing did.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path[0] = str(HERE.parents[1])

from tests.bogo import worker  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runner", type=pathlib.Path, required=True, help="the built runner")
    parser.add_argument("--config", type=pathlib.Path, default=HERE / "config.json")
    parser.add_argument("--results", type=pathlib.Path, help="where to keep the runner's JSON")
    parser.add_argument("--log", type=pathlib.Path, help="where to keep the runner's output")
    parser.add_argument("--reasons", action="store_true", help="say what is unimplemented")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 2)
    parser.add_argument("--no-worker", action="store_true", help="start each case from nothing")
    parser.add_argument("rest", nargs="*", help="the runner's own arguments, after --")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="aiotls-bogo-") as scratch:
        results = options.results or pathlib.Path(scratch, "results.json")
        reasons = pathlib.Path(scratch, "unimplemented")
        environment = dict(os.environ)
        # The shim's first line looks for python3: the real one, past any launcher's script.
        interpreter = os.path.dirname(os.path.realpath(sys.executable))
        environment["PATH"] = interpreter + os.pathsep + environment.get("PATH", "")
        command = [
            str(options.runner.resolve()),
            "-pipe=false",  # a line of counts, the last of which has the total
            "-allow-unimplemented",
            f"-shim-path={HERE / 'client.py'}",
            f"-shim-config={options.config.resolve()}",
            f"-json-output={results.resolve()}",
            f"-num-workers={options.workers}",
            *options.rest,
        ]
        if options.no_worker:
            output = run(command, environment)
        else:
            path = pathlib.Path(scratch, "worker")
            environment["AIOTLS_BOGO_WORKER"] = str(path)
            with worker.running(path, reasons):
                output = run(command, environment)
        if options.log is not None:
            options.log.write_text(output)
        if not results.exists():
            print(output)
            return 2
        if options.reasons and reasons.exists():
            for reason, count in collections.Counter(
                reasons.read_text().splitlines()
            ).most_common():
                print(f"{count:6} {reason}")
        return summarise(json.loads(results.read_text()), output)


def run(command: list[str], environment: dict[str, str]) -> str:
    """The runner's output, both streams."""
    done = subprocess.run(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="backslashreplace",
        check=False,
    )
    return done.stdout


def summarise(results: dict[str, object], output: str) -> int:
    """Prints the outcome; the exit status."""
    tests = results["tests"]
    if not isinstance(tests, dict):
        raise TypeError("the runner's results are not of the known form")
    by_outcome: dict[str, list[str]] = collections.defaultdict(list)
    for name, test in tests.items():
        by_outcome[test["actual"]].append(name)
    failed = sorted(by_outcome.get("FAIL", []))
    for name in failed:
        print(f"FAILED {name}")
    counts = re.findall(r"\d+/\d+/(\d+)/\d+/(\d+)", output)
    done, total = map(int, counts[-1]) if counts else (0, 0)
    print(
        f"{len(by_outcome['PASS'])} passed, {len(failed)} failed, "
        f"{len(by_outcome['SKIP'])} unimplemented, {total - done} out of scope"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
