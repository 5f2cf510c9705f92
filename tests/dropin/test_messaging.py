"""Message brokers: MQTT, NATS, AMQP and Kafka, each with its usual client."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import queue
import ssl
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio

import aiotls.ssl

from . import services
from .engines import OURS, Files, client_context, server_context

pytestmark = pytest.mark.interop

BLOB = bytes(range(256)) * 1024


# -- MQTT ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mqtt(files: Files, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with services.mosquitto(files, tmp_path_factory.mktemp("mosquitto")) as port:
        yield port


@pytest.fixture
def collected() -> Iterator[None]:
    """What a test has left behind is found while that test is blamed for it."""
    yield
    gc.collect()


def paho_leaves_its_socket_open(test: Any) -> Any:
    """So it does after a handshake that failed, with any ssl."""
    ignored = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
    return ignored(pytest.mark.usefixtures("collected")(test))


def test_paho(engine: str, files: Files, mqtt: int) -> None:
    """paho-mqtt: select() in a thread, on an SSLSocket that does not block."""
    paho = pytest.importorskip("paho.mqtt.client")
    received: queue.Queue[tuple[str, bytes]] = queue.Queue()
    subscribed: queue.Queue[int] = queue.Queue()
    client = paho.Client(paho.CallbackAPIVersion.VERSION2)
    client.tls_set_context(client_context(engine, files))
    client.on_message = lambda *arguments: received.put(
        (arguments[2].topic, bytes(arguments[2].payload))
    )
    client.on_subscribe = lambda *arguments: subscribed.put(arguments[2])
    client.connect("localhost", mqtt, keepalive=20)
    client.loop_start()
    try:
        client.subscribe("house/#", qos=1)
        subscribed.get(timeout=20)
        for number in range(20):
            client.publish(f"house/{number}", BLOB[number:], qos=1)
        for number in range(20):
            assert received.get(timeout=20) == (f"house/{number}", BLOB[number:])
    finally:
        client.disconnect()
        client.loop_stop()


def test_paho_makes_its_own_context(injected: str, files: Files, mqtt: int) -> None:
    paho = pytest.importorskip("paho.mqtt.client")
    client = paho.Client(paho.CallbackAPIVersion.VERSION2)
    client.tls_set(ca_certs=files.ca)
    assert isinstance(client._ssl_context, aiotls.ssl.SSLContext) == (injected == OURS)
    assert client._ssl_context.check_hostname
    connected: queue.Queue[bool] = queue.Queue()
    client.on_connect = lambda *arguments: connected.put(not arguments[3].is_failure)
    client.connect("localhost", mqtt, keepalive=20)
    client.loop_start()
    try:
        assert connected.get(timeout=20)
    finally:
        client.disconnect()
        client.loop_stop()


@paho_leaves_its_socket_open
def test_paho_refuses_a_stranger(engine: str, files: Files, mqtt: int) -> None:
    paho = pytest.importorskip("paho.mqtt.client")
    client = paho.Client(paho.CallbackAPIVersion.VERSION2)
    client.tls_set_context(client_context(engine, files, cafile=files.stranger))
    with pytest.raises(ssl.SSLCertVerificationError):
        client.connect("localhost", mqtt)


@pytest.mark.asyncio
async def test_aiomqtt(engine: str, files: Files, mqtt: int) -> None:
    """The event loop watches paho's socket; what the engine has read ahead must not be lost."""
    aiomqtt = pytest.importorskip("aiomqtt")
    async with aiomqtt.Client("localhost", mqtt, tls_context=client_context(engine, files)) as one:
        await one.subscribe("garden/#", qos=1)
        for number in range(20):
            await one.publish(f"garden/{number}", BLOB[number:], qos=1)
        arrived = []
        async with asyncio.timeout(20):
            async for message in one.messages:
                arrived.append((str(message.topic), message.payload))
                if len(arrived) == 20:
                    break
    assert arrived == [(f"garden/{number}", BLOB[number:]) for number in range(20)]


@pytest.mark.asyncio
@paho_leaves_its_socket_open
async def test_aiomqtt_refuses_a_stranger(engine: str, files: Files, mqtt: int) -> None:
    aiomqtt = pytest.importorskip("aiomqtt")
    context = client_context(engine, files, cafile=files.stranger)
    with pytest.raises(aiomqtt.MqttError, match="certificate verify failed"):
        async with aiomqtt.Client("localhost", mqtt, tls_context=context):
            pytest.fail("a stranger was trusted")


@pytest.mark.asyncio
async def test_aiomqtt_makes_its_own_context(injected: str, files: Files, mqtt: int) -> None:
    aiomqtt = pytest.importorskip("aiomqtt")
    parameters = aiomqtt.TLSParameters(ca_certs=files.ca)
    async with aiomqtt.Client("localhost", mqtt, tls_params=parameters) as client:
        made = client._client._ssl_context
        assert isinstance(made, aiotls.ssl.SSLContext) == (injected == OURS)
        await client.publish("garden", b"rose", qos=1)


# -- NATS ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def nats_port(files: Files, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with services.nats_server(files, tmp_path_factory.mktemp("nats")) as port:
        yield port


@pytest.mark.asyncio
async def test_nats(engine: str, files: Files, nats_port: int) -> None:
    """start_tls() with a new protocol, behind a line that came in the clear; the peer is Go."""
    nats = pytest.importorskip("nats")
    connection = await nats.connect(
        f"tls://localhost:{nats_port}",
        tls=client_context(engine, files),
        allow_reconnect=False,
    )
    try:
        subscription = await connection.subscribe("letters")
        for number in range(100):
            await connection.publish("letters", BLOB[number:])
        await connection.flush(20)
        for number in range(100):
            message = await subscription.next_msg(20)
            assert message.data == BLOB[number:]
    finally:
        await connection.drain()


@pytest.mark.asyncio
async def test_nats_makes_its_own_context(
    injected: str, files: Files, nats_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system's roots, which are where the environment says."""
    nats = pytest.importorskip("nats")
    monkeypatch.setenv("SSL_CERT_FILE", files.ca)
    connection = await nats.connect(f"tls://localhost:{nats_port}", allow_reconnect=False)
    view = connection._transport._io_writer.get_extra_info("ssl_object")
    assert isinstance(view, aiotls.ssl.SSLObject) == (injected == OURS)
    await connection.flush(20)
    await connection.close()


@pytest.mark.asyncio
async def test_nats_refuses_a_stranger(engine: str, files: Files, nats_port: int) -> None:
    nats = pytest.importorskip("nats")
    context = client_context(engine, files, cafile=files.stranger)

    async def ignore(error: Exception) -> None:
        """It would be logged."""

    with pytest.raises(ssl.SSLCertVerificationError):
        await nats.connect(
            f"tls://localhost:{nats_port}", tls=context, allow_reconnect=False, error_cb=ignore
        )


# -- AMQP ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def amqp(files: Files, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with services.rabbitmq(files, tmp_path_factory.mktemp("rabbitmq")) as port:
        yield port


@pytest.mark.asyncio
async def test_aio_pika(engine: str, files: Files, amqp: int) -> None:
    """asyncio's streams; the peer is Erlang."""
    aio_pika = pytest.importorskip("aio_pika")
    connection = await aio_pika.connect(
        f"amqps://guest:guest@localhost:{amqp}/",
        ssl_context=client_context(engine, files),
        timeout=20,
    )
    async with connection:
        channel = await connection.channel()
        letters = await channel.declare_queue(exclusive=True)
        for number in range(20):
            await channel.default_exchange.publish(
                aio_pika.Message(BLOB[number:]), routing_key=letters.name
            )
        for number in range(20):
            message = await letters.get(timeout=20)
            assert message.body == BLOB[number:]
            await message.ack()


@pytest.mark.asyncio
async def test_aio_pika_makes_its_own_context(injected: str, files: Files, amqp: int) -> None:
    """In a thread of its own, by the address's parameters."""
    aio_pika = pytest.importorskip("aio_pika")
    address = f"amqps://guest:guest@localhost:{amqp}/?cafile={files.ca}"
    async with await aio_pika.connect(address, timeout=20) as connection:
        channel = await connection.channel()
        await channel.declare_queue(exclusive=True)


@pytest.mark.asyncio
async def test_aio_pika_refuses_a_stranger(engine: str, files: Files, amqp: int) -> None:
    aio_pika = pytest.importorskip("aio_pika")
    context = client_context(engine, files, cafile=files.stranger)
    with pytest.raises((ssl.SSLCertVerificationError, ConnectionError), match="certificate verify"):
        await aio_pika.connect(
            f"amqps://guest:guest@localhost:{amqp}/", ssl_context=context, timeout=20
        )


# -- Kafka -----------------------------------------------------------------------------------------


class Kafka:
    """As much of a broker as a client asks before anything else: what it speaks, and who it is.

    There is no broker in Debian. Requests and answers are framed by four bytes of length (the
    protocol guide's sections on ApiVersions and Metadata).
    """

    VERSIONS, METADATA = 18, 3

    def __init__(self) -> None:
        self.port = 0
        self.asked: list[int] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until its client ends it."""
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            while True:
                request = await reader.readexactly(
                    int.from_bytes(await reader.readexactly(4), "big")
                )
                kind, correlation = int.from_bytes(request[:2], "big"), request[4:8]
                self.asked.append(kind)
                answer = correlation + (
                    self._versions() if kind == self.VERSIONS else self._metadata()
                )
                writer.write(len(answer).to_bytes(4, "big") + answer)
                await writer.drain()
        writer.close()
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            await writer.wait_closed()

    def _versions(self) -> bytes:
        spoken = [(self.VERSIONS, 0), (self.METADATA, 0)]
        rows = b"".join(
            kind.to_bytes(2, "big") + bytes(2) + bytes([0, top]) for kind, top in spoken
        )
        return bytes(2) + len(spoken).to_bytes(4, "big") + rows

    def _metadata(self) -> bytes:
        host = b"localhost"
        broker = bytes(4) + len(host).to_bytes(2, "big") + host + self.port.to_bytes(4, "big")
        return (1).to_bytes(4, "big") + broker + bytes(4)  # one broker, no topics


@pytest_asyncio.fixture
async def kafka(pairing: tuple[str, str], files: Files) -> AsyncIterator[Kafka]:
    broker = Kafka()
    server = await asyncio.start_server(
        broker.serve, "127.0.0.1", 0, ssl=server_context(pairing[1], files)
    )
    broker.port = server.sockets[0].getsockname()[1]
    yield broker
    server.close()
    await server.wait_closed()


@pytest.mark.asyncio
async def test_aiokafka(pairing: tuple[str, str], files: Files, kafka: Kafka) -> None:
    aiokafka = pytest.importorskip("aiokafka.client")
    client = aiokafka.AIOKafkaClient(
        bootstrap_servers=f"localhost:{kafka.port}",
        security_protocol="SSL",
        ssl_context=client_context(pairing[0], files),
    )
    await client.bootstrap()
    assert [broker.port for broker in client.cluster.brokers()] == [kafka.port]
    await client.close()
    assert set(kafka.asked) >= {Kafka.METADATA}
