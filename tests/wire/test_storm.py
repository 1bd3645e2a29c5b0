"""Malformed datagrams by the thousand, and an honest client among them."""

from __future__ import annotations

import os
import random
from pathlib import Path

import msgspec
import pytest

from tests.needed import need
from tests.unit.wire.captured import IPXE_DISCOVER, IPXE_REQUEST, OVMF_DISCOVER
from tests.wire.conftest import BootServer

pytestmark = pytest.mark.wire

DATAGRAMS = 10_000
SEEDS = (
    (67, IPXE_DISCOVER),
    (67, IPXE_REQUEST),
    (67, OVMF_DISCOVER),
    (69, b"\0\1small\0octet\0blksize\x001428\0windowsize\x004\0tsize\x000\0"),
    (69, b"\0\2small\0octet\0"),
    (69, b"\0\4\0\1"),
    (69, b"\0\5\0\1no\0"),
)
SEND = """
import socket, sys
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
data, at = sys.stdin.buffer.read(), 0
while at < len(data):
    port, size = int.from_bytes(data[at:at+2], "big"), int.from_bytes(data[at+2:at+4], "big")
    try:
        sock.sendto(data[at+4:at+4+size], ("10.77.0.1", port))
    except ConnectionRefusedError:
        pass
    at += 4 + size
"""


def storm(seed: int) -> bytes:
    """Random and mutated datagrams, each after its port and its size of two bytes."""
    chance = random.Random(seed)
    return b"".join(_framed(*_one(chance)) for _ in range(DATAGRAMS))


def _one(chance: random.Random) -> tuple[int, bytes]:
    port, honest = chance.choice(SEEDS)
    if chance.random() < 0.2:
        return port, chance.randbytes(chance.randrange(800))
    mutated = bytearray(honest)
    for _ in range(chance.randint(1, 8)):
        mutated[chance.randrange(len(mutated))] = chance.randrange(256)
    return port, bytes(
        mutated[: chance.randint(1, len(mutated))] if chance.random() < 0.3 else mutated
    )


def _framed(port: int, datagram: bytes) -> bytes:
    return port.to_bytes(2, "big") + len(datagram).to_bytes(2, "big") + datagram


def test_an_honest_client_is_served_in_the_middle_of_a_storm(
    boot_server: BootServer, tmp_path: Path
) -> None:
    need("curl", "python3")
    sender = boot_server.link.client
    (tmp_path / "storm").write_bytes(storm(1))
    (tmp_path / "send.py").write_text(SEND)
    script = f"python3 {tmp_path}/send.py < {tmp_path}/storm"
    background = sender.start("sh", "-c", f"{script}; {script}; {script}")
    try:
        for number in range(5):
            target = tmp_path / f"got-{number}"
            url = f"tftp://{boot_server.ip}/small"
            sender.run("curl", "-sS", "--tftp-blksize", "1428", "-o", str(target), url)
            assert target.read_bytes() == (boot_server.folder / "small").read_bytes()
    finally:
        assert background.wait(60) == 0
    counters = health(boot_server)
    assert counters["tftp malformed"] > 1000
    assert counters["dhcp malformed"] > 100
    assert "Traceback" not in boot_server.log.read_text()


def health(server: BootServer) -> dict[str, int]:
    """What the server counted."""
    text = server.link.client.run("curl", "-sS", f"http://{server.ip}:8069/health").stdout
    counters: dict[str, int] = msgspec.json.decode(text)["counters"]
    return counters


def test_after_a_storm_the_server_holds_no_more_descriptors(
    boot_server: BootServer, tmp_path: Path
) -> None:
    need("curl", "python3")
    folder = Path(f"/proc/{boot_server.process.pid}/fd")
    health(boot_server)
    before = len(os.listdir(folder))
    (tmp_path / "send.py").write_text(SEND)
    boot_server.link.client.run("python3", str(tmp_path / "send.py"), stdin=storm(2))
    for _ in range(40):
        after = len(os.listdir(folder))
        if after <= before + 3:
            break
        boot_server.link.client.run("sleep", "1")
    assert after <= before + 3
