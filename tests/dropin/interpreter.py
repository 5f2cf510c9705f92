"""Runs tests of the interpreter's own ``test`` package on this package's engine.

    python interpreter.py substitute test.test_ssl      # import ssl  gives aiotls.ssl
    python interpreter.py inject test.test_asyncio.test_ssl

The outcome is the last line, as JSON: how many tests ran, and the ids of those that failed or were
skipped, with what they said.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import tempfile
import unittest


def main(how: str, names: list[str]) -> None:
    """Runs the tests of the modules *names* and prints the outcome."""
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
    print(
        json.dumps(
            {
                "ran": result.testsRun,
                "skipped": {t.id(): why for t, why in result.skipped},
                "failed": failed,
            }
        ),
        flush=True,
    )
    os._exit(0)  # threads of failed tests are not waited for


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
