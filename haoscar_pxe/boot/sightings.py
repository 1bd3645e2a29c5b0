"""Which unknown machines were seen, in bounded memory, for `node discover`.

Whoever invents MACs must not push out the machines that stand in the rack. So those that asked
once and those that came back have places of their own, and in each the one that was seen longest
ago gives way. Firmware asks more than once; a flood usually does not.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Final

from msgspec.structs import replace

from haoscar_pxe.nodes.asking import Asker
from haoscar_pxe.nodes.strangers import Stranger

MOST: Final = 8192
"""Of those that came back, and as many that did not: about 1 KB each."""
MOST_STEPS: Final = 8
LONGEST_CLASS: Final = 64
SEVERAL: Final = 2


class Sightings:
    """The unknown machines. Safe to use from several threads. known: those of an earlier run."""

    def __init__(self, known: Iterable[Stranger] = (), most: int = MOST) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._once: dict[str, Stranger] = {}
        self._again: dict[str, Stranger] = {}
        self._unkept: dict[str, Stranger | None] = {}
        self._unwritten: set[str] = set()
        for stranger in sorted(known, key=lambda each: each.last_ns):
            self._put(stranger)
        self._unkept = {mac: None for mac, each in self._unkept.items() if each is None}

    def asked(self, asker: Asker, now_ns: int) -> None:
        """It asked by DHCP."""
        with self._lock:
            before = self._taken(asker.mac)
            if before is None:
                before = Stranger(mac=asker.mac, first_ns=now_ns, last_ns=now_ns)
                self._unwritten.add(asker.mac)
            self._put(
                replace(
                    before,
                    client_uuid=asker.client_uuid or before.client_uuid,
                    arch=before.arch if asker.arch is None else asker.arch,
                    vendor_class=asker.vendor_class[:LONGEST_CLASS] or before.vendor_class,
                    is_pxe=before.is_pxe or asker.is_pxe,
                    last_ns=now_ns,
                    asked=before.asked + 1,
                    steps=_with(before.steps, _spoken(asker)),
                )
            )

    def fetched(self, mac: str, what: str, now_ns: int) -> None:
        """It asked for a file that names it; nobody appears by that alone."""
        with self._lock:
            before = self._taken(mac)
            if before is not None:
                steps = _with(before.steps, what)
                self._put(replace(before, last_ns=now_ns, steps=steps))

    def unkept(self) -> dict[str, Stranger | None]:
        """What has changed since this was asked last; None: it gave way to others."""
        with self._lock:
            changes, self._unkept = self._unkept, {}
            self._unwritten.clear()
            return changes

    def _taken(self, mac: str) -> Stranger | None:
        return self._once.pop(mac, None) or self._again.pop(mac, None)

    def _put(self, stranger: Stranger) -> None:
        """As the one that was seen last; the first of those in its place may have to go."""
        place = self._again if stranger.asked >= SEVERAL else self._once
        place[stranger.mac] = stranger
        self._unkept[stranger.mac] = stranger
        if len(place) > self._most:
            gone = next(iter(place))
            del place[gone]
            self._unkept[gone] = None
            if gone in self._unwritten:  # so that a flood does not fill what is to be written
                self._unwritten.remove(gone)
                del self._unkept[gone]


def _with(steps: tuple[str, ...], step: str) -> tuple[str, ...]:
    return steps if steps[-1:] == (step,) else (*steps, step)[-MOST_STEPS:]


def _spoken(asker: Asker) -> str:
    """Which program asked for what: an iPXE DISCOVER comes after the firmware's own."""
    if asker.is_ipxe:
        return f"iPXE {asker.message}"
    return f"firmware {asker.message}" if asker.is_pxe else f"system {asker.message}"
