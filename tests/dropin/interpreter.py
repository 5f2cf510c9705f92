"""Runs tests of the interpreter's own ``test`` package on this package's engine.

    python interpreter.py outcome.json substitute test.test_ssl     # import ssl gives aiotls.ssl
    python interpreter.py outcome.json inject test.test_asyncio.test_ssl

The outcome goes into the file, as JSON: how many tests ran, and the ids of those that failed or
were skipped, with what they said. (Standard output is not for it: threads that failed tests leave
behind print whenever they like.)
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import tempfile
import unittest
from pathlib import Path


def main(outcome: Path, how: str, names: list[str]) -> None:
    """Runs the tests of the modules *names* and writes the *outcome*."""
    import aiotls.ssl

    if how == "substitute":
        sys.modules["ssl"] = aiotls.ssl
    else:
        aiotls.ssl.inject()
    from test import support

    support.use_resources = {"walltime": None}  # nothing that needs the network
    os.chdir(tempfile.mkdtemp())
    suite = unittest.TestSuite()
    for name in names:
        module = importlib.import_module(name)
        suite.addTests(unittest.defaultTestLoader.loadTestsFromModule(module))
    result = unittest.TextTestRunner(stream=sys.stderr, verbosity=2).run(suite)
    failed = {
        # A sub-test is reported by the test that it is part of.
        getattr(test, "test_case", test).id(): text
        for test, text in [*result.failures, *result.errors]
    }
    failed.update(dict.fromkeys((test.id() for test in result.unexpectedSuccesses), "succeeded"))
    outcome.write_text(
        json.dumps(
            {
                "ran": result.testsRun,
                "skipped": {t.id(): why for t, why in result.skipped},
                "failed": failed,
            }
        )
    )
    os._exit(0)  # threads of failed tests are not waited for


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), sys.argv[2], sys.argv[3:])
