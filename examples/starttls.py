"""A live connection upgraded to TLS: a toy mail server and its client with STARTTLS.

    python examples/starttls.py

Shows: start_tls on a StreamWriter, on both sides. Bytes that arrived before the upgrade go to
the handshake and nowhere else, so a command that someone injects into the plaintext ends the
connection instead of being taken for a part of the session (CVE-2011-0411).
"""

from __future__ import annotations

import asyncio

import aiotls
from aiotls.cli.authority import Authority


class MailServer:
    """Speaks just enough SMTP."""

    def __init__(self, config: aiotls.ServerConfig) -> None:
        self.config = config

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ready\r\n")
        while line := await reader.readline():
            match line.strip().upper():
                case b"STARTTLS":
                    writer.write(b"220 go ahead\r\n")
                    await aiotls.start_tls(writer, self.config, server_side=True)
                    # reader and writer speak TLS from here on
                case b"QUIT":
                    secure = writer.get_extra_info("tls") is not None
                    writer.write(b"221 bye, %s\r\n" % (b"in private" if secure else b"in public"))
                    break
                case _:
                    writer.write(b"250 mail.example offers STARTTLS\r\n")
        writer.close()


async def send_mail(port: int, config: aiotls.ClientConfig) -> None:
    reader, writer = await asyncio.open_connection("localhost", port)  # plain
    print((await reader.readline()).decode().strip())
    for command in (b"EHLO client.example", b"STARTTLS"):
        writer.write(command + b"\r\n")
        print((await reader.readline()).decode().strip())

    await aiotls.start_tls(writer, config, server_hostname="localhost")
    print("*** now", writer.get_extra_info("tls")["version"])

    writer.write(b"QUIT\r\n")
    print((await reader.readline()).decode().strip())
    writer.close()
    await writer.wait_closed()


async def main() -> None:
    authority = Authority.create()
    handler = MailServer(aiotls.ServerConfig(identity=authority.identity("localhost")))
    server = await asyncio.start_server(handler, "localhost", 0)  # plain, too
    async with server:
        port = server.sockets[0].getsockname()[1]
        await send_mail(port, aiotls.ClientConfig(trust=authority.trust()))


if __name__ == "__main__":
    asyncio.run(main())
