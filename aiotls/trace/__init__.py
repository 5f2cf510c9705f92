"""A handshake recorded, and drawn.

recorder = aiotls.trace.Recorder()
config = aiotls.ClientConfig(observer=recorder)
...                                         # one connection with this configuration
print(aiotls.trace.waterfall(recorder))
"""

from __future__ import annotations

from .notes import describe
from .recorder import Event, Mark, Recorder
from .waterfall import waterfall, waterfall_lines

__all__ = ["Event", "Mark", "Recorder", "describe", "waterfall", "waterfall_lines"]
