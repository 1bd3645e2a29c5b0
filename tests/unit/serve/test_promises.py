from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from haoscar_pxe.errors import NodeError
from haoscar_pxe.serve.counters import Counters
from haoscar_pxe.serve.promises import MOST_HELD, Outgoing, Promises


@dataclass
class SlowDisk:
    """A disk that lets a commit through when it is told to, and notes what was sent before."""

    go: threading.Event = field(default_factory=threading.Event)
    waiting: list[str] = field(default_factory=list)
    kept: list[list[str]] = field(default_factory=list)
    sent: list[tuple[str, int]] = field(default_factory=list)

    def unkept(self) -> Callable[[], None] | None:
        if not self.waiting:
            return None
        changes, self.waiting = self.waiting, []

        def keep() -> None:
            self.go.wait(5)
            if "bad" in changes:
                raise NodeError("the disk is full")
            self.kept.append(changes)

        return keep

    def send(self, outgoing: Outgoing) -> None:
        self.sent.append((outgoing.address, len(self.kept)))


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(3):
        while not condition():
            await asyncio.sleep(0.005)


def promise(address: str) -> Outgoing:
    return Outgoing(b"", address, 68, is_promise=True)


async def test_a_reply_leaves_after_its_lease_is_kept_and_a_commit_serves_many() -> None:
    disk = SlowDisk()
    promises = Promises(disk.unkept, disk.send, Counters())
    for batch in (["a"], ["b", "c"], ["d"]):
        for each in batch:
            disk.waiting.append(each)
            promises.hold(promise(each))
        promises.settle()
    await asyncio.sleep(0.05)
    assert disk.sent == []
    disk.go.set()
    await until(lambda: len(disk.sent) == 4)
    assert disk.kept == [["a"], ["b", "c", "d"]]
    assert disk.sent == [("a", 1), ("b", 2), ("c", 2), ("d", 2)]


async def test_a_lease_that_cannot_be_kept_is_not_promised_and_the_next_one_is(
    caplog: pytest.LogCaptureFixture,
) -> None:
    disk, counters = SlowDisk(), Counters()
    disk.go.set()
    promises = Promises(disk.unkept, disk.send, counters)
    for each in ("bad", "good"):
        disk.waiting.append(each)
        promises.hold(promise(each))
        with caplog.at_level(logging.ERROR):
            promises.settle()
    await until(lambda: bool(disk.sent))
    assert disk.sent == [("good", 1)]
    assert counters["dhcp not kept"] == 1
    assert "1 leases not given: the disk is full" in caplog.text


async def test_a_disk_that_hangs_does_not_fill_the_memory() -> None:
    disk, counters = SlowDisk(), Counters()
    promises = Promises(disk.unkept, disk.send, counters)
    disk.waiting.append("first")
    promises.settle()
    for _ in range(MOST_HELD + 10):
        promises.hold(promise("more"))
    disk.go.set()
    await until(lambda: len(disk.sent) == MOST_HELD)
    assert counters["dhcp not kept"] == 10
