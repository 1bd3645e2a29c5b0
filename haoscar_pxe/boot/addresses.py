"""Addresses: a known node's from the registry, a stranger's from the pool for a while.

A stranger keeps its address as long as it renews; the pool is bounded, so that no number of
invented MACs takes anything from known nodes, whose addresses are never in it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Address

Clock = Callable[[], float]


@dataclass(slots=True)
class Pool:
    """Addresses first..last for machines nobody registered.

    leases: MAC to (address, end in seconds of `clock`). is_taken: whether a node has the address.
    spoiled: addresses that a machine outside this pool uses, and until when they are given to none.
    """

    first: IPv4Address
    last: IPv4Address
    lease_s: int
    clock: Clock
    is_taken: Callable[[IPv4Address], bool]
    leases: dict[str, tuple[IPv4Address, float]] = field(default_factory=dict)
    spoiled: dict[IPv4Address, float] = field(default_factory=dict)

    def lease(self, mac: str) -> IPv4Address | None:
        """The address of this MAC, prolonged or new; None when all are in use."""
        now = self.clock()
        kept = self.leases.get(mac)
        address = kept[0] if kept and not self.is_taken(kept[0]) else self._free(now)
        if address is not None:
            self.leases[mac] = (address, now + self.lease_s)
        return address

    def release(self, mac: str, address: IPv4Address | None) -> bool:
        """Take an address back from who has it (RFC 2131 section 4.3.4); whether it had it."""
        kept = self.leases.get(mac)
        if kept is None or kept[0] != address:
            return False
        del self.leases[mac]
        return True

    def decline(self, mac: str, address: IPv4Address | None) -> bool:
        """Keep an address from everybody for a while (4.3.3); whether the MAC was given it.

        Somebody uses it without asking here. Only who was given it may say so, or one machine
        could take the whole pool away.
        """
        if address is None or not self.release(mac, address):
            return False
        self.spoiled[address] = self.clock() + self.lease_s
        return True

    def _free(self, now: float) -> IPv4Address | None:
        self.leases = {mac: lease for mac, lease in self.leases.items() if lease[1] > now}
        self.spoiled = {address: end for address, end in self.spoiled.items() if end > now}
        used = {address for address, _ in self.leases.values()} | self.spoiled.keys()
        for number in range(int(self.first), int(self.last) + 1):
            address = IPv4Address(number)
            if address not in used and not self.is_taken(address):
                return address
        return None
