"""What the web runs on: curl(1) as a client, and nginx as a server and, as a proxy, a client."""

from __future__ import annotations

import contextlib
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

from aiotls.enums import CipherSuite, NamedGroup

from .peer import (
    HOST,
    PATIENCE,
    Outcome,
    Peer,
    Process,
    Server,
    Settings,
    describe,
    http_body,
    http_request,
    listening_process,
    listening_thread,
    missing_programs,
)

GROUPS = {
    NamedGroup.X25519: "X25519",
    NamedGroup.SECP256R1: "P-256",
    NamedGroup.SECP384R1: "P-384",
    NamedGroup.SECP521R1: "P-521",
}
SUITES = {
    CipherSuite.TLS_AES_128_GCM_SHA256: "TLS_AES_128_GCM_SHA256",
    CipherSuite.TLS_AES_256_GCM_SHA384: "TLS_AES_256_GCM_SHA384",
    CipherSuite.TLS_CHACHA20_POLY1305_SHA256: "TLS_CHACHA20_POLY1305_SHA256",
}


class Curl(Peer):
    name = "curl"
    groups = GROUPS
    accepts = tuple(GROUPS)
    suites = SUITES
    is_server = False
    speaks_http = True
    has_alpn = False

    def missing(self) -> str | None:
        return missing_programs("curl")

    def connect(self, port: int, settings: Settings, payload: bytes = b"") -> Outcome:
        name = settings.server_name
        command: list[str | Path] = [
            *("curl", "--silent", "--show-error", "--http1.1", "--header", "Expect:"),
            *("--resolve", f"{name}:{port}:{HOST}", "--noproxy", "*", "--data-binary", "@-"),
        ]
        version = "1.2" if settings.tls12 else "1.3"
        command += [f"--tlsv{version}", "--tls-max", version]
        if settings.trust:
            command += ["--cacert", settings.trust]
        if settings.credentials:
            command += ["--cert", settings.credentials.chain, "--key", settings.credentials.key]
        if settings.groups:
            command += ["--curves", ":".join(self.groups[group] for group in settings.groups)]
        if settings.suites:
            suites = ":".join(self.suites[suite] for suite in settings.suites)
            command += ["--tls13-ciphers", suites]
        command += settings.extra
        command += [f"https://{name}:{port}/echo"] * (2 if settings.resume else 1)
        with Process(*command) as process:
            # curl reads all of its input before it connects.
            process.hurry(len(payload))
            process.write(payload)
            process.stdin.close()
            data = process.stdout.read()
            while chunk := process.stdout.read(1 << 18):
                data += chunk
            status = process.finish()
            log = process.log()
        if settings.resume:
            data = data.removeprefix(payload)  # what the first connection has brought
        return Outcome(data, log if status == 0 else f"{log}\nexit status {status}")


class Nginx(Peer):
    name = "nginx"
    groups = GROUPS
    accepts = tuple(GROUPS)
    suites = SUITES
    speaks_http = True
    has_alpn = False
    refuses_in_http = True

    def missing(self) -> str | None:
        return missing_programs("nginx")

    def connect(self, port: int, settings: Settings, payload: bytes = b"") -> Outcome:
        directives = [
            f"proxy_ssl_protocols {_version(settings)}",
            "proxy_ssl_server_name on",
            f"proxy_ssl_name {settings.server_name}",
        ]
        if settings.trust:
            directives += [
                f"proxy_ssl_trusted_certificate {settings.trust}",
                "proxy_ssl_verify on",
            ]
        if settings.credentials:
            directives += [
                f"proxy_ssl_certificate {settings.credentials.chain}",
                f"proxy_ssl_certificate_key {settings.credentials.key}",
            ]
        if settings.groups:
            groups = ":".join(self.groups[group] for group in settings.groups)
            directives += [f"proxy_ssl_conf_command Groups {groups}"]
        if settings.suites:
            suites = ":".join(self.suites[suite] for suite in settings.suites)
            directives += [f"proxy_ssl_conf_command Ciphersuites {suites}"]
        with _nginx("", directives, f"https://{HOST}:{port}") as server:
            response = b""
            for _ in range(2 if settings.resume else 1):
                with socket.create_connection((HOST, server.port), PATIENCE) as client:
                    client.sendall(http_request(payload))
                    response = _read_to_end(client)
            try:
                return Outcome(http_body(response), server.log())
            except ValueError as error:
                return Outcome(b"", f"{describe(error)} {server.log()}")

    @contextlib.contextmanager
    def serve(self, settings: Settings) -> Iterator[Server]:
        directives = [f"ssl_protocols {_version(settings)}"]
        if settings.credentials:
            directives += [
                f"ssl_certificate {settings.credentials.chain}",
                f"ssl_certificate_key {settings.credentials.key}",
            ]
        if settings.trust:
            directives += [f"ssl_client_certificate {settings.trust}", "ssl_verify_client on"]
            directives += ["ssl_verify_depth 3"]
        if settings.groups:
            groups = ":".join(self.groups[group] for group in settings.groups)
            directives += [f"ssl_ecdh_curve {groups}"]
        if settings.suites:
            suites = ":".join(self.suites[suite] for suite in settings.suites)
            directives += [f"ssl_conf_command Ciphersuites {suites}"]
        directives += map(str, settings.extra)
        with (
            listening_thread(_http_echo) as backend,
            _nginx("ssl", directives, f"http://{HOST}:{backend.port}") as server,
        ):
            yield server


def _version(settings: Settings) -> str:
    return "TLSv1.2" if settings.tls12 else "TLSv1.3"


@contextlib.contextmanager
def _nginx(listen: str, directives: list[str], upstream: str) -> Iterator[Server]:
    """An nginx of one process that passes every request on to *upstream*."""
    with tempfile.TemporaryDirectory(prefix="nginx-") as name:
        directory = Path(name)

        def command(port: int) -> list[str | Path]:
            own = "".join(f"        {directive};\n" for directive in directives)
            temporary = "".join(
                f"    {kind}_temp_path {directory}/{kind};\n"
                for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
            )
            configuration = directory / "nginx.conf"
            configuration.write_text(
                f"daemon off;\nmaster_process off;\npid {directory}/pid;\n"
                "error_log stderr info;\nevents { worker_connections 64; }\n"
                f"http {{\n    access_log off;\n{temporary}"
                f"    server {{\n        listen {HOST}:{port} {listen};\n{own}"
                "        client_max_body_size 0;\n"
                "        location / {\n"
                f"            proxy_pass {upstream};\n"
                "            proxy_http_version 1.1;\n"
                "            proxy_request_buffering off;\n"
                "            proxy_max_temp_file_size 0;\n"
                "            proxy_set_header Connection close;\n"
                "        }\n    }\n}\n"
            )
            return ["nginx", "-e", "stderr", "-p", directory, "-c", configuration]

        with listening_process(command) as server:
            yield server


def _http_echo(connection: socket.socket) -> None:
    """Answer one request with its own body."""
    data = bytearray()
    while b"\r\n\r\n" not in data:
        chunk = connection.recv(1 << 16)
        if not chunk:
            return
        data += chunk
    head, _, rest = bytes(data).partition(b"\r\n\r\n")
    fields = (line.partition(b":") for line in head.lower().split(b"\r\n")[1:])
    length = next(int(value) for name, _, value in fields if name == b"content-length")
    body = bytearray(rest)
    while len(body) < length:
        chunk = connection.recv(1 << 18)
        if not chunk:
            return
        body += chunk
    connection.sendall(
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
    )
    connection.sendall(body)


def _read_to_end(connection: socket.socket) -> bytes:
    data = bytearray()
    with contextlib.suppress(ConnectionResetError):
        while chunk := connection.recv(1 << 18):
            data += chunk
    return bytes(data)
