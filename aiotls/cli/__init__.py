"""The command line: ``python -m aiotls`` and ``aiotls``.

One module per command, each with a ``register`` that declares its arguments; what they share
is in main.py (errors and exit codes), terminal.py (what the terminal can show) and report.py
(a connection in words).
"""

from __future__ import annotations

from .main import main

__all__ = ["main"]
