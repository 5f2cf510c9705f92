"""``python -m aiotls``, and the command ``aiotls``."""

from __future__ import annotations

import signal
import sys


def main() -> int:
    """Runs one command; returns its exit code.

    The commands end in order at Ctrl-C. Before they are loaded, and when they have ended, there
    is nothing to put in order: the process ends there and then, without a traceback.
    """
    ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # or nohup's: ignored
    if ours:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from .cli.main import load
    from .cli.main import main as run

    load()
    if ours:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    code = run()
    if ours:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    return code


if __name__ == "__main__":
    sys.exit(main())
