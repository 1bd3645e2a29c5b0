"""Addresses of strangers: an offer for a minute, a lease for as long as its owner renews it.

Source: RFC 2131 sections 3.1, 4.3.1 to 4.3.4. The pool is bounded, so that no number of invented
MACs takes anything from known nodes, whose addresses are never in it; and finding an address costs
the same however many are in use. What has ended is remembered until somebody needs the address,
and the one that ended first is given away first, so a machine that comes back has its old one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from heapq import heappop, heappush
from ipaddress import IPv4Address
from typing import Final

from haoscar_pxe.nodes.leases import Lease

Clock = Callable[[], float]

HELD_S: Final = 60.0
"""How long an offer is held for who has not chosen it: clients choose within seconds, and who only
asks (a machine that another server answers, or a flood of invented MACs) must not hold it long."""
NOBODY: Final = ""
MOST_TRIES: Final = 256
"""Addresses of nodes that are passed over for one question; the next one goes on from there."""


@dataclass(slots=True)
class Held:
    """An address that somebody has or had. mac: NOBODY if it is kept from everybody.

    end_s: of the pool's clock. is_queued, is_returned: whether it stands in `_ends`, `_returned`.
    """

    mac: str = NOBODY
    end_s: float = 0.0
    is_queued: bool = False
    is_returned: bool = False


class Pool:
    """Addresses first..last for machines nobody registered.

    lease_s: how long a lease lasts. clock: seconds since 1970, never set back. is_taken: whether
    a node has the address. kept: the leases of an earlier run.

    Each address stands at most once in `_ends`, a heap, by the end it had when it was put there.
    """

    def __init__(
        self,
        first: IPv4Address,
        last: IPv4Address,
        lease_s: int,
        clock: Clock,
        is_taken: Callable[[IPv4Address], bool],
        kept: Mapping[IPv4Address, Lease] | None = None,
    ) -> None:
        self._last = int(last)
        self._never_given = int(first)
        self._lease_s = lease_s
        self._clock = clock
        self._is_taken = is_taken
        self._held: dict[IPv4Address, Held] = {}
        self._of_mac: dict[str, IPv4Address] = {}
        self._ends: list[tuple[float, IPv4Address]] = []
        self._returned: deque[IPv4Address] = deque()
        self._unkept: dict[IPv4Address, Lease | None] = {}
        for address, lease in sorted((kept or {}).items(), key=lambda each: each[1].end_s):
            if first <= address <= last:
                self._hold(address, lease.mac, min(lease.end_s, clock() + lease_s))
            else:
                self._unkept[address] = None

    def offer(self, mac: str) -> IPv4Address | None:
        """The address that this MAC may have, held for a minute; None when all are in use."""
        now = self._clock()
        address = self._of_mac.get(mac)
        if address is None or self._is_taken(address):
            address = self._free(now)
            if address is None:
                return None
            self._hold(address, mac, now + HELD_S)
        held = self._held[address]
        held.end_s = max(held.end_s, now + HELD_S)
        return address

    def lease(self, mac: str, address: IPv4Address) -> bool:
        """Give the offered address for a lease's time; False if that was not offered to the MAC."""
        if self._of_mac.get(mac) != address:
            return False
        held = self._held[address]
        held.end_s = self._clock() + self._lease_s
        self._unkept[address] = Lease(mac, held.end_s)
        return True

    def release(self, mac: str, address: IPv4Address | None) -> bool:
        """Take an address back from who has it (RFC 2131 section 4.3.4); whether it had it."""
        held = self._taken_back(mac, address)
        if held is None or address is None:
            return False
        held.is_returned = True
        self._returned.append(address)
        self._unkept[address] = None
        return True

    def decline(self, mac: str, address: IPv4Address | None) -> bool:
        """Keep an address from everybody for a while (4.3.3); whether the MAC was given it.

        Somebody uses it without asking here. Only who was given it may say so, or one machine
        could take the whole pool away.
        """
        held = self._taken_back(mac, address)
        if held is None or address is None:
            return False
        held.end_s = self._clock() + self._lease_s
        self._unkept[address] = Lease(NOBODY, held.end_s)
        return True

    def unkept(self) -> dict[IPv4Address, Lease | None]:
        """What has changed since this was asked last; None: nobody has the address any more."""
        changes, self._unkept = self._unkept, {}
        return changes

    def _taken_back(self, mac: str, address: IPv4Address | None) -> Held | None:
        if address is None or self._of_mac.get(mac) != address:
            return None
        del self._of_mac[mac]
        held = self._held[address]
        held.mac = NOBODY
        return held

    def _hold(self, address: IPv4Address, mac: str, end_s: float) -> None:
        """Give the address to the MAC, which loses the one it had, as who had it loses this."""
        held = self._held.setdefault(address, Held())
        if held.mac:
            del self._of_mac[held.mac]
        if mac:
            lost = self._of_mac.get(mac)
            if lost is not None:
                self._held[lost].mac = NOBODY
            self._of_mac[mac] = address
        held.mac, held.end_s = mac, end_s
        if not held.is_queued:
            heappush(self._ends, (end_s, address))
            held.is_queued = True

    def _free(self, now: float) -> IPv4Address | None:
        for _ in range(MOST_TRIES):
            address = self._next(now)
            if address is None or not self._is_taken(address):
                return address
            self._hold(address, NOBODY, now + self._lease_s)  # a node's; looked at again later
        return None

    def _next(self, now: float) -> IPv4Address | None:
        """An address that was given back or never given, or else the one that ended first."""
        if self._returned:
            address = self._returned.popleft()
            self._held[address].is_returned = False
            return address
        while self._never_given <= self._last:
            address = IPv4Address(self._never_given)
            self._never_given += 1
            if address not in self._held:
                return address
        return self._ended(now)

    def _ended(self, now: float) -> IPv4Address | None:
        while self._ends and self._ends[0][0] <= now:
            _, address = heappop(self._ends)
            held = self._held[address]
            held.is_queued = held.end_s > now and not held.is_returned
            if held.is_queued:  # it was renewed since
                heappush(self._ends, (held.end_s, address))
            elif not held.is_returned:
                return address
        return None
