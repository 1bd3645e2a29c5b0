"""The rules with which the kernel holds the door to the virtual addresses.

They drop whatever comes for a virtual address and whatever would leave from one: IP packets, ARP,
neighbour discovery (RFC 4861). The exception is the set `door`, whose elements time out by
themselves: while it has them, the door is open. Nothing has to run for it to shut.

    table inet    IPv4 and IPv6, before destinations and after sources are translated
    table arp     ARP, in and out, as the kernel speaks it
    table netdev  what leaves an interface in any way, raw frames too (kernels from 5.16 on)

A head that is passive can reach the addresses on the other head as anybody can.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from haoscar_pxe.wire.nfnetlink import Add, Delete, Family, Flush, SetName

TABLE: Final = "haoscar_pxe"
DOOR: Final = "door"
PERMIT: Final = SetName(Family.INET, TABLE, "permit")
_IP: Final = b"\x08\x00"
_ARP: Final = b"\x08\x06"
_IPV6: Final = b"\x86\xdd"
_SHUT: Final = f"meta protocol != @{DOOR} drop"


@dataclass(frozen=True, slots=True)
class VirtualAddress:
    """An address that only the active head has, in text, and the interface on which it has it."""

    address: str
    interface: str

    @property
    def ip(self) -> IPv4Address | IPv6Address:
        """The address as a value."""
        return ip_address(self.address)


@dataclass(frozen=True, slots=True)
class Guard:
    """The door to some addresses. has_egress: the kernel has the netdev egress hook."""

    addresses: tuple[VirtualAddress, ...]
    has_egress: bool = True

    @property
    def doors(self) -> tuple[SetName, ...]:
        """The sets whose elements open it, one in each table."""
        families = (Family.INET, Family.ARP, *([Family.NETDEV] if self.has_egress else []))
        return tuple(SetName(family, TABLE, DOOR) for family in families)

    def ruleset(self) -> str:
        """What `nft -f` installs, whatever there was before, as one transaction: a shut door."""
        tables = [
            _table("inet", [_set(DOOR), _set(PERMIT.name), *self._inet_chains()]),
            _table("arp", [_set(DOOR), *self._arp_chains()]),
        ]
        if self.has_egress:
            tables.append(_table("netdev", [_set(DOOR), *self._egress_chains()]))
        return "".join(tables)

    def permit(self, timeout_ms: int) -> list[Flush | Add | Delete]:
        """The first half of opening: a permit that is over soon."""
        return [Flush(PERMIT), Add(PERMIT, (_IP,), timeout_ms)]

    def open(self, timeout_ms: int) -> list[Flush | Add | Delete]:
        """The second half. The kernel refuses it whole, with ENOENT, if the permit is over."""
        opened = [Add(door, (_IP, _ARP, _IPV6), timeout_ms) for door in self.doors]
        return [Delete(PERMIT, _IP), *map(Flush, self.doors), *opened]

    def shut(self) -> list[Flush | Add | Delete]:
        """Shut it now."""
        return [Flush(door) for door in self.doors]

    def _inet_chains(self) -> list[str]:
        arriving = [f"{_ip(each)} daddr {each} {_SHUT}" for each in self._all()]
        arriving += [_discovery("nd-neighbor-solicit", each) for each in self._v6()]
        leaving = [f"{_ip(each)} saddr {each} {_SHUT}" for each in self._all()]
        leaving += [_discovery("nd-neighbor-advert", each) for each in self._v6()]
        return [
            _chain("arriving", "filter hook prerouting priority -400", arriving),
            _chain("leaving", "filter hook postrouting priority 400", leaving),
        ]

    def _arp_chains(self) -> list[str]:
        v4 = [each for each in self._all() if isinstance(each, IPv4Address)]
        arriving = [f"arp daddr ip {each} {_SHUT}" for each in v4]
        leaving = [f"arp saddr ip {each} {_SHUT}" for each in v4]
        return [
            _chain("arriving", "filter hook input priority 0", arriving),
            _chain("leaving", "filter hook output priority 0", leaving),
        ]

    def _egress_chains(self) -> list[str]:
        """One chain for each interface. Their names say nothing: an interface's may hold dots."""
        interfaces = sorted({each.interface for each in self.addresses})
        rules = [f"{_ip(each)} saddr {each} {_SHUT}" for each in self._all()]
        rules += [f"arp saddr ip {each} {_SHUT}" for each in self._all() if each.version == 4]
        rules += [_discovery("nd-neighbor-advert", each) for each in self._v6()]
        return [
            _chain(f"leaving{at}", f'filter hook egress device "{name}" priority 0', rules)
            for at, name in enumerate(interfaces)
        ]

    def _all(self) -> list[IPv4Address | IPv6Address]:
        return [each.ip for each in self.addresses]

    def _v6(self) -> list[IPv6Address]:
        return [each for each in self._all() if isinstance(each, IPv6Address)]


def _ip(address: IPv4Address | IPv6Address) -> str:
    return "ip" if address.version == 4 else "ip6"


def _discovery(kind: str, target: IPv6Address) -> str:
    """A rule on neighbour discovery; the target is at byte 8 of it (RFC 4861 section 4.3)."""
    return f"icmpv6 type {kind} @th,64,128 {int(target):#x} {_SHUT}"


def _set(name: str) -> str:
    return f"  set {name} {{ type ether_type; flags timeout; }}\n"


def _chain(name: str, place: str, rules: Sequence[str]) -> str:
    lines = "".join(f"    {rule}\n" for rule in rules)
    return f"  chain {name} {{\n    type {place}; policy accept;\n{lines}  }}\n"


def _table(family: str, contents: Sequence[str]) -> str:
    """A table in the place of the one before; the first line makes the second one legal."""
    name = f"table {family} {TABLE}"
    return f"{name}\ndelete {name}\n{name} {{\n{''.join(contents)}}}\n"
