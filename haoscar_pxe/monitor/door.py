"""The door to the virtual addresses, opened for a time over netlink, in some 40 µs.

A process may be frozen at any instruction: also after it has computed how long the door may be
open, and before the kernel hears of it. So each opening is two transactions. The first adds a
permit that is over after PERMIT_MS; only then is the clock read. The second deletes the permit,
which the kernel refuses if it is over, and the door is left as it was.

Elements were seen to live 6 ms less to 13.5 ms longer than asked (kernel 6.18): SLACK_MS.
"""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Callable, Sequence
from typing import Final

from haoscar_pxe.errors import FailoverError
from haoscar_pxe.monitor.guard import Guard
from haoscar_pxe.wire.nfnetlink import Add, Delete, Flush, batch, results

PERMIT_MS: Final = 20
SLACK_MS: Final = 20
TRIES: Final = 3
_NETLINK_NETFILTER: Final = 12
_ANSWER_BYTES: Final = 1 << 16


def boottime_ns() -> int:
    """The clock of leases: it goes on while the machine is suspended, and is never set."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


class KernelDoor:
    """The door that `guard.ruleset()` makes; it has to be there."""

    def __init__(self, guard: Guard, clock: Callable[[], int] = boottime_ns) -> None:
        self._guard = guard
        self._clock = clock
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER)
        self._socket.bind((0, 0))
        self._socket.setblocking(False)

    def open(self, until: int) -> bool:
        """See entrance.Door. It shuts at most PERMIT_MS + SLACK_MS before the instant."""
        for _ in range(TRIES):
            self._must(self._guard.permit(PERMIT_MS))
            timeout_ms = (until - self._clock()) // 1_000_000 - PERMIT_MS - SLACK_MS
            if timeout_ms <= 0:
                return False
            if self._done(self._guard.open(timeout_ms)) == 0:
                return True
        return False

    def shut(self) -> None:
        """See entrance.Door."""
        self._must(self._guard.shut())

    def close(self) -> None:
        """Close the socket; the door goes on to shut by itself."""
        self._socket.close()

    def _must(self, changes: Sequence[Flush | Add | Delete]) -> None:
        if status := self._done(changes):
            name = errno.errorcode.get(status, str(status))
            raise FailoverError(
                f"the guard of the virtual addresses is gone: {name}",
                hint="something flushed nftables; tables named haoscar_pxe must stay",
            )

    def _done(self, changes: Sequence[Flush | Add | Delete]) -> int:
        """Carry out one transaction; the first errno in it, 0 if it took effect.

        The kernel has answered, perhaps more than once, when `send` returns.
        """
        found: list[tuple[int, int]] = []
        try:
            self._socket.send(batch(changes))
            while True:
                found += results(self._socket.recv(_ANSWER_BYTES))
        except BlockingIOError:
            faults = [status for _, status in found if status]
            return faults[0] if faults else 0 if found else errno.ENODATA
        except OSError as error:
            return error.errno or errno.EIO
