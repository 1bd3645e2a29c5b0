from __future__ import annotations

import errno
import socket
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from typing_extensions import Buffer

from haoscar_pxe.serve.segmentation import Sender

PAIR = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[PAIR]:
    """A socket connected to another on loopback."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver,
    ):
        receiver.bind(("127.0.0.1", 0))
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        receiver.settimeout(2)
        sender.connect(receiver.getsockname())
        yield sender, receiver


def window(sizes: list[int]) -> list[bytes]:
    """Datagrams with a header of their own each."""
    return [bytes([0, 3, 0, number]) + bytes([number]) * size for number, size in enumerate(sizes)]


def received(receiver: socket.socket, count: int) -> list[bytes]:
    return [receiver.recv(70000) for _ in range(count)]


@pytest.mark.parametrize(
    "sizes", [[512] * 4 + [3], [1468] * 64, [1468] * 100 + [0], [8], [65464, 65464], [9000] * 9]
)
def test_each_datagram_arrives_as_it_was_given(pair: PAIR, sizes: list[int]) -> None:
    sender, receiver = pair
    datagrams = window(sizes)
    Sender().send(sender, b"".join(datagrams), len(datagrams[0]))
    assert received(receiver, len(sizes)) == datagrams


class RefusingSocket(socket.socket):
    """A way on which the kernel will not cut messages up, as behind a small path MTU."""

    def sendmsg(self, buffers: Iterable[Buffer], *rest: Any) -> int:
        if rest:
            raise OSError(errno.EINVAL, "Invalid argument")
        return super().sendmsg(buffers)


def test_where_the_kernel_will_not_cut_they_are_sent_one_by_one(pair: PAIR) -> None:
    sender, receiver = pair
    datagrams = window([512] * 3)
    with RefusingSocket(fileno=socket.dup(sender.fileno())) as refusing:
        sends = Sender()
        sends.send(refusing, b"".join(datagrams), len(datagrams[0]))
        sends.send(refusing, b"".join(datagrams), len(datagrams[0]))
    assert not sends.can_segment
    assert received(receiver, 6) == datagrams * 2
