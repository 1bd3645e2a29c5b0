"""A channel skips what a login says, counts what comes, and notices the end."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from haoscar_pxe.capture.remote.channel import Channel, CutOffError
from haoscar_pxe.capture.remote.messages import (
    GREETING,
    NOISE_MAX_BYTES,
    Expect,
    FromHead,
    FromServer,
    Lacking,
    encode_frame,
)
from haoscar_pxe.errors import CaptureError, WireError


@dataclass
class Ends:
    """Both ends of a conversation over two pipes, and the descriptors behind them."""

    server: Channel[FromHead]
    head: Channel[FromServer]
    fds: list[int]

    def close(self, *places: int) -> None:
        for place in places:
            os.close(self.fds[place])
            self.fds[place] = -1


@pytest.fixture
def ends() -> Iterator[Ends]:
    fds = [*os.pipe(), *os.pipe()]
    made = Ends(Channel(fds[0], fds[3], FromHead), Channel(fds[2], fds[1], FromServer), fds)
    yield made
    made.close(*(place for place, fd in enumerate(made.fds) if fd >= 0))


def test_what_a_login_says_before_the_greeting_is_skipped(ends: Ends) -> None:
    os.write(ends.fds[1], b"Last login: Monday\n\0haoscar-pxe cap")
    os.write(ends.fds[1], b"Today: soup\n")
    ends.head.greet()
    ends.head.send(Expect(3))
    ends.server.await_greeting()
    assert ends.server.receive() == Expect(3)
    ends.server.send(Lacking((1,)))
    assert ends.head.receive() == Lacking((1,))


@pytest.mark.parametrize("said", [b"", b"Press any key\n"])
def test_a_login_that_waits_for_something_is_not_waited_for(ends: Ends, said: bytes) -> None:
    os.write(ends.fds[1], said or b"\n")
    with pytest.raises(CaptureError, match=r"did not begin within 0\.2 s") as caught:
        ends.server.await_greeting(0.2)
    assert said.decode().strip() in str(caught.value)
    assert "must end by itself" in caught.value.hint


def test_received_bytes_are_counted(ends: Ends) -> None:
    ends.head.greet()
    ends.head.send(Expect(3))
    ends.server.await_greeting()
    ends.server.receive()
    assert ends.server.received_bytes == len(GREETING) + len(encode_frame(Expect(3)))


def test_a_login_that_only_chatters_is_refused(ends: Ends) -> None:
    ends.server = Channel(os.open("/dev/zero", os.O_RDONLY), ends.fds[3], FromHead)
    ends.fds.append(ends.server._incoming)
    with pytest.raises(WireError, match="no greeting"):
        ends.server.await_greeting()
    assert ends.server.received_bytes < NOISE_MAX_BYTES + (1 << 20)


def test_the_end_of_the_stream_is_told(ends: Ends) -> None:
    os.write(ends.fds[1], encode_frame(Expect(3))[:-1])
    ends.close(1)
    with pytest.raises(CutOffError, match="ended in the middle"):
        ends.server.receive()


def test_a_peer_that_reads_no_more_is_told(ends: Ends) -> None:
    ends.close(0)
    with pytest.raises(CutOffError, match="Broken pipe"):
        ends.head.send(Expect(3))
