"""The standard library's HTTP server, for clients that block; it needs no package."""

from __future__ import annotations

import http.server
from typing import Any

BODY = bytes(range(256)) * 4096


class Echo(http.server.BaseHTTPRequestHandler):
    """Echoes the body of a request."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is logged."""


class QuietServer(http.server.ThreadingHTTPServer):
    """A server to whom a failed handshake is no event."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing is printed."""
