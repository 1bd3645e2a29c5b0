from __future__ import annotations

import asyncio
import random
import socket
import time
from pathlib import Path

import pytest
import tftpy

from haoscar_pxe.nodes.asking import FileAnswer
from haoscar_pxe.wire.tftp_packet import (
    Ack,
    Data,
    Error,
    Oack,
    Request,
    TftpPacket,
    decode,
    encode,
)
from tests.unit.serve.fixed_answers import FixedAnswers
from tests.unit.serve.loopback import Serving, serving


@pytest.fixture
def answers(tmp_path: Path) -> FixedAnswers:
    (tmp_path / "folder").mkdir()
    (tmp_path / "boot").write_bytes(random.Random(1).randbytes(100_000))
    return FixedAnswers(
        files={
            "boot": tmp_path / "boot",
            "folder": tmp_path / "folder",
            "gone": tmp_path / "gone",
            "rendered": b"default local\n",
            "empty": b"",
        }
    )


class Client:
    """A socket that speaks TFTP packets to one server, one at a time."""

    def __init__(self, server: Serving) -> None:
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.sock.bind(("127.0.0.1", 0))
        self.peer = ("127.0.0.1", server.tftp_port)

    async def ask(self, packet: TftpPacket | bytes) -> TftpPacket:
        """Send, and wait for the next packet; from then on speak to where it came from."""
        self.send(packet)
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(3):
            datagram, peer = await loop.sock_recvfrom(self.sock, 70000)
        self.peer = peer
        return decode(datagram)

    def send(self, packet: TftpPacket | bytes) -> None:
        self.sock.sendto(packet if isinstance(packet, bytes) else encode(packet), self.peer)

    async def hears_nothing(self, seconds: float) -> bool:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(seconds):
                await loop.sock_recvfrom(self.sock, 70000)
        except TimeoutError:
            return True
        return False

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()


def fetch(port: int, name: str, target: Path, blksize: int) -> bytes:
    """With tftpy, an independent client."""
    tftpy.TftpClient("127.0.0.1", port, options={"blksize": blksize}).download(name, str(target))
    return target.read_bytes()


@pytest.mark.parametrize("blksize", [512, 1000, 1428])
async def test_tftpy_gets_a_file_whole(answers: FixedAnswers, tmp_path: Path, blksize: int) -> None:
    async with serving(answers) as server:
        got = await asyncio.to_thread(fetch, server.tftp_port, "boot", tmp_path / "got", blksize)
    assert got == (tmp_path / "boot").read_bytes()


async def test_rendered_text_and_an_empty_file_are_files_too(
    answers: FixedAnswers, tmp_path: Path
) -> None:
    async with serving(answers) as server:
        port = server.tftp_port
        text = await asyncio.to_thread(fetch, port, "rendered", tmp_path / "got", 512)
        empty = await asyncio.to_thread(fetch, port, "empty", tmp_path / "got", 512)
    assert (text, empty) == (b"default local\n", b"")


@pytest.mark.parametrize("name", ["nothing", "folder", "gone", "../../etc/passwd", "a\nb", ""])
async def test_what_is_not_there_is_refused_at_once(answers: FixedAnswers, name: str) -> None:
    async with serving(answers) as server:
        with Client(server) as client:
            assert await client.ask(Request(name, "octet")) == Error(1, "file not found")


async def test_a_leading_slash_makes_no_difference(answers: FixedAnswers) -> None:
    async with serving(answers) as server:
        with Client(server) as client:
            assert await client.ask(Request("/rendered", "octet")) == Data(1, b"default local\n")


async def test_netascii_is_translated(answers: FixedAnswers) -> None:
    async with serving(answers) as server:
        with Client(server) as client:
            assert await client.ask(Request("rendered", "netascii")) == Data(
                1, b"default local\r\n"
            )


async def test_writing_and_unknown_modes_are_refused(answers: FixedAnswers) -> None:
    async with serving(answers) as server:
        with Client(server) as client:
            wrote = await client.ask(Request("boot", "octet", is_write=True))
            assert wrote == Error(2, "this server is read-only")
        with Client(server) as client:
            mailed = await client.ask(Request("boot", "mail"))
            assert isinstance(mailed, Error)
            assert mailed.code == 4


async def test_ovmf_asks_for_the_size_aborts_and_then_fetches(answers: FixedAnswers) -> None:
    options = (("tsize", "0"), ("blksize", "1468"), ("windowsize", "4"))
    async with serving(answers) as server:
        with Client(server) as client:
            reply = await client.ask(Request("boot", "octet", options))
            assert reply == Oack((("tsize", "100000"), *options[1:]))
            client.send(Error(8, "User aborted the transfer"))
            assert await client.hears_nothing(0.7)
        with Client(server) as client:
            reply = await client.ask(Request("boot", "octet", options[1:]))
            assert reply == Oack(options[1:])
            first = await client.ask(Ack(0))
            assert isinstance(first, Data)
            assert (first.block, len(first.payload)) == (1, 1468)


async def test_a_request_repeated_from_the_same_port_starts_one_transfer(
    answers: FixedAnswers,
) -> None:
    async with serving(answers) as server:
        with Client(server) as client:
            listening = client.peer
            await client.ask(Request("boot", "octet"))
            transfer, client.peer = client.peer, listening
            client.send(Request("boot", "octet"))
            client.peer = transfer
            assert await client.ask(Ack(1)) != await client.ask(Ack(2))
            assert client.peer == transfer


async def test_a_repetition_that_waited_in_the_queue_does_not_end_the_transfer(
    answers: FixedAnswers,
) -> None:
    async with serving(answers) as server:
        with Client(server) as client:
            listening = client.peer
            await client.ask(Request("boot", "octet"))
            transfer = client.peer
            await client.ask(Ack(1))
            client.peer = listening
            client.send(Request("boot", "octet"))
            client.peer = transfer
            await asyncio.sleep(0.1)
            assert isinstance(await client.ask(Ack(2)), Data)
            assert client.peer == transfer


async def test_the_same_file_on_other_terms_is_a_new_request(answers: FixedAnswers) -> None:
    """Some ROMs ask for the size first, and then for the file, without a word in between."""
    async with serving(answers) as server:
        with Client(server) as client:
            listening = client.peer
            assert isinstance(await client.ask(Request("boot", "octet", (("tsize", "0"),))), Oack)
            client.peer = listening
            again = await client.ask(Request("boot", "octet", (("blksize", "1024"),)))
            assert again == Oack((("blksize", "1024"),))


async def test_a_new_request_from_the_same_port_replaces_the_transfer(
    answers: FixedAnswers,
) -> None:
    """PXE ROMs keep their port for all they fetch."""
    async with serving(answers) as server:
        with Client(server) as client:
            listening = client.peer
            await client.ask(Request("boot", "octet"))
            client.peer = listening
            assert await client.ask(Request("rendered", "octet")) == Data(1, b"default local\n")


async def test_many_clients_in_one_wake_up_are_all_served(answers: FixedAnswers) -> None:
    """Each must get its own file: closures bound late would give all of them the last one's."""
    names = [f"file{number}" for number in range(200)]
    answers.files |= {name: name.encode() for name in names}
    async with serving(answers) as server:
        clients = [Client(server) for _ in names]
        try:
            for client, name in zip(clients, names, strict=True):
                client.send(Request(name, "octet"))
            loop = asyncio.get_running_loop()
            async with asyncio.timeout(10):
                got = [await loop.sock_recv(client.sock, 2000) for client in clients]
        finally:
            for client in clients:
                client.sock.close()
    assert [decode(datagram) for datagram in got] == [Data(1, name.encode()) for name in names]


async def test_malformed_requests_are_refused_and_nobody_else_notices(
    answers: FixedAnswers, tmp_path: Path
) -> None:
    chance = random.Random(2)
    async with serving(answers) as server:
        with Client(server) as client:
            assert isinstance(await client.ask(b"\0\1no mode"), Error)
            for _ in range(2000):
                client.send(
                    bytes([0, chance.randrange(8)]) + chance.randbytes(chance.randrange(60))
                )
            client.send(Request("a bug", "octet"))
        got = await asyncio.to_thread(fetch, server.tftp_port, "boot", tmp_path / "got", 512)
    assert got == (tmp_path / "boot").read_bytes()


async def test_a_client_that_goes_away_frees_its_transfer(answers: FixedAnswers) -> None:
    async with serving(answers) as server:
        with Client(server) as client:
            await client.ask(Request("boot", "octet"))
        started = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - started < 0.9


async def test_a_transfer_under_way_ends_before_the_server_stops(
    answers: FixedAnswers, tmp_path: Path
) -> None:
    async with serving(answers) as server:
        with Client(server) as client:
            data = await client.ask(Request("boot", "octet"))
            server.stop.set()
            received = b""
            while isinstance(data, Data):
                received += data.payload
                if len(data.payload) < 512:
                    client.send(Ack(data.block))
                    break
                data = await client.ask(Ack(data.block))
    assert received == (tmp_path / "boot").read_bytes()


async def test_a_transfer_that_outlasts_the_grace_is_told(answers: FixedAnswers) -> None:
    async with serving(answers) as server:
        with Client(server) as client:
            await client.ask(Request("boot", "octet"))
            server.stop.set()
            loop = asyncio.get_running_loop()
            last: TftpPacket = Ack(0)
            async with asyncio.timeout(4):
                while not isinstance(last, Error):
                    last = decode(await loop.sock_recv(client.sock, 2000))
    assert last == Error(0, "the server stops")


class Slow(FixedAnswers):
    """Answers whose boot files take a while to be made."""

    asked = 0

    def boot_file(self, name: str) -> FileAnswer | None:
        Slow.asked += 1
        time.sleep(0.3)
        return super().boot_file(name)


async def test_a_boot_file_that_must_be_made_is_looked_up_once_and_holds_up_nobody(
    answers: FixedAnswers,
) -> None:
    slow = Slow(files=answers.files, boot={"primary/1/vmlinuz": b"kernel"})
    Slow.asked = 0
    async with serving(slow) as server:
        with Client(server) as first, Client(server) as second:
            wanted = Request("/boot/primary/1/vmlinuz", "octet")
            first.send(wanted)
            first.send(wanted)
            assert await second.ask(Request("rendered", "octet")) == Data(1, b"default local\n")
            assert await first.ask(wanted) == Data(1, b"kernel")
    assert Slow.asked == 1


@pytest.mark.parametrize("name", ["boot/../x", "boot/primary/.hidden", "boot//x", "boot/x\\y/z"])
async def test_a_boot_files_name_is_parts_and_nothing_else(
    answers: FixedAnswers, name: str
) -> None:
    everything = Slow(files=answers.files, boot={})
    Slow.asked = 0
    async with serving(everything) as server:
        with Client(server) as client:
            assert isinstance(await client.ask(Request(name, "octet")), Error)
    assert Slow.asked == 0


async def test_what_was_fetched_and_refused_is_in_the_peers_timeline(
    answers: FixedAnswers, tmp_path: Path
) -> None:
    async with serving(answers) as server:
        await asyncio.to_thread(fetch, server.tftp_port, "boot", tmp_path / "got", 1428)
        with Client(server) as client:
            await client.ask(Request("a\nb", "octet"))
    (peer, fetched), (_, refused) = answers.happenings
    assert (peer, fetched.kind, fetched.message) == ("127.0.0.1", "fetched", "'boot'")
    assert fetched.size_bytes == (tmp_path / "boot").stat().st_size
    assert fetched.took_s > 0
    assert (refused.kind, refused.message) == ("refused", r"'a\nb': file not found")


async def test_a_transfer_that_breaks_off_is_in_the_peers_timeline(answers: FixedAnswers) -> None:
    async with serving(answers) as server:
        with Client(server) as client:
            await client.ask(Request("boot", "octet"))
            client.send(Error(0, "enough"))
            async with asyncio.timeout(3):
                while not answers.happenings:
                    await asyncio.sleep(0.01)
    ((_, broken),) = answers.happenings
    assert broken.kind == "broke off"
    assert broken.message.startswith("'boot': ")
