"""The engine by hand: bytes in, bytes out, no event loop and no socket.

    python examples/sans_io.py

Shows: TLSConnection on both sides, joined by nothing but two variables. This is all that a face
for another event loop, a test harness or a proxy needs.
"""

from __future__ import annotations

import aiotls
from aiotls.cli.authority import Authority


def exchange(client: aiotls.TLSConnection, server: aiotls.TLSConnection) -> None:
    """Carries bytes between the two until neither has any to send."""
    while True:
        to_server = client.data_to_send()
        if to_server:
            print(f"client -> server {len(to_server):5} bytes")
            server.receive_data(to_server)
        to_client = server.data_to_send()
        if to_client:
            print(f"client <- server {len(to_client):5} bytes")
            client.receive_data(to_client)
        if not to_server and not to_client:
            return


def main() -> None:
    authority = Authority.create()
    server_config = aiotls.ServerConfig(
        identity=authority.identity("localhost"), alpn_protocols=["toy/1"]
    )
    client_config = aiotls.ClientConfig(trust=authority.trust(), alpn_protocols=["toy/1"])

    client = aiotls.TLSConnection(client_config, server_hostname="localhost")
    server = aiotls.TLSConnection(server_config)

    exchange(client, server)
    assert client.handshake_complete
    assert server.handshake_complete
    print(client.summary())

    client.write(b"ping")
    exchange(client, server)
    print("the server read", server.read())

    server.write(b"pong")
    server.send_close_notify()
    exchange(client, server)
    print("the client read", client.read(), "and the end" if client.peer_closed else "")


if __name__ == "__main__":
    main()
