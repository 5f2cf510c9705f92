#!/usr/bin/env -S python3 -I -S
"""What the runner starts for each case: hands it to the worker, and repeats the outcome.

It imports next to nothing, as it is started thousands of times. Without a worker it turns
into the shim itself.
"""

import os
import sys

HERE = os.path.dirname(os.path.realpath(__file__))


def ask_worker(path: str) -> None:
    import _socket

    worker = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    worker.connect(path)
    request = b"\0".join(map(os.fsencode, sys.argv[1:]))
    worker.sendall(len(request).to_bytes(4, "big") + request)
    answer = b""
    while True:
        part = worker.recv(65536)
        if not part:
            break
        answer += part
    os.write(2, answer[1:] or (b"" if answer else b"the worker died\n"))
    os._exit(answer[0] if answer else 90)


if sys.argv[1:] == ["-is-handshaker-supported"]:
    os.write(1, b"No\n")
elif "AIOTLS_BOGO_WORKER" in os.environ:
    ask_worker(os.environ["AIOTLS_BOGO_WORKER"])
else:
    os.execv(sys.executable, [sys.executable, HERE + "/shim.py", *sys.argv[1:]])
