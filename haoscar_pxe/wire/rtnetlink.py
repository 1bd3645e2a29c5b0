"""Adding and removing an address of an interface over netlink, as one message each.

After linux/rtnetlink.h and linux/if_addr.h. An address is added as a host route (/32, /128), so
that no network route depends on it, and without duplicate address detection. The kernel's answer
is read by `nfnetlink.results`.
"""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address
from typing import Final

_NLMSGHDR: Final = struct.Struct("=IHHII")
_IFADDRMSG: Final = struct.Struct("=BBBBI")
_RTATTR: Final = struct.Struct("=HH")
_NLM_F_REQUEST: Final = 0x001
_NLM_F_ACK: Final = 0x004
_NLM_F_REPLACE: Final = 0x100
_NLM_F_CREATE: Final = 0x400
_RTM_NEWADDR: Final = 20
_RTM_DELADDR: Final = 21
_IFA_ADDRESS: Final = 1
_IFA_LOCAL: Final = 2
_IFA_F_NODAD: Final = 0x02
_RT_SCOPE_UNIVERSE: Final = 0
_AF_INET: Final = 2
_AF_INET6: Final = 10


def new_address(interface: int, address: IPv4Address | IPv6Address) -> bytes:
    """Have the address; having it already is no error. interface: its index."""
    flags = _NLM_F_REQUEST | _NLM_F_ACK | _NLM_F_CREATE | _NLM_F_REPLACE
    return _message(_RTM_NEWADDR, flags, interface, address)


def delete_address(interface: int, address: IPv4Address | IPv6Address) -> bytes:
    """Have it no more; the answer is EADDRNOTAVAIL where it was not there."""
    return _message(_RTM_DELADDR, _NLM_F_REQUEST | _NLM_F_ACK, interface, address)


def _message(kind: int, flags: int, interface: int, address: IPv4Address | IPv6Address) -> bytes:
    family = _AF_INET if address.version == 4 else _AF_INET6
    nodad = _IFA_F_NODAD if address.version == 6 else 0
    body = _IFADDRMSG.pack(family, address.max_prefixlen, nodad, _RT_SCOPE_UNIVERSE, interface)
    for attribute in (_IFA_LOCAL, _IFA_ADDRESS):
        body += _RTATTR.pack(_RTATTR.size + len(address.packed), attribute) + address.packed
    return _NLMSGHDR.pack(_NLMSGHDR.size + len(body), kind, flags, 1, 0) + body
