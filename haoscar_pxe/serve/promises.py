"""Replies that promise a lease, held until that lease is on the disk: one commit for many replies.

A commit runs in a thread of its own, so that a slow disk delays strangers and nobody else: a known
node's reply needs no commit and is sent at once. What comes while one runs shares the next.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Final

from haoscar_pxe.serve.counters import Counters

log = logging.getLogger(__name__)

MOST_HELD: Final = 4096
"""A disk that hangs must not fill the memory; clients repeat what is not answered."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A datagram to send and where to. is_promise: a lease must be on the disk before."""

    datagram: bytes
    address: str
    port: int
    is_promise: bool = False


class Promises:
    """One for each set of leases. unkept: see Answers.unkept_leases."""

    def __init__(
        self,
        unkept: Callable[[], Callable[[], None] | None],
        send: Callable[[Outgoing], None],
        counters: Counters,
    ) -> None:
        self._unkept = unkept
        self._send = send
        self._counters = counters
        self._held: list[Outgoing] = []
        self._thread = ThreadPoolExecutor(1, "leases")
        self._commit: asyncio.Future[None] | None = None

    def hold(self, outgoing: Outgoing) -> None:
        """Send it after the next commit."""
        if len(self._held) < MOST_HELD:
            self._held.append(outgoing)
        else:
            self._counters.count("dhcp not kept")

    def settle(self) -> None:
        """Start a commit if there is something to commit and none runs; called on the loop."""
        if self._commit is not None:
            return
        keep = self._unkept()
        held, self._held = self._held, []
        if keep is None:
            self._send_all(held)
            return
        self._commit = asyncio.get_running_loop().run_in_executor(self._thread, keep)
        self._commit.add_done_callback(partial(self._committed, held))

    def _committed(self, held: list[Outgoing], commit: asyncio.Future[None]) -> None:
        self._commit = None
        if commit.cancelled():
            return
        if (error := commit.exception()) is None:
            self._send_all(held)
        else:
            self._counters.count("dhcp not kept", len(held))
            log.error("dhcp: %d leases not given: %s", len(held), error)
        self.settle()

    def _send_all(self, held: list[Outgoing]) -> None:
        for outgoing in held:
            self._send(outgoing)
