"""IPv4 addresses that are kept as text become values, each text once.

Configuration and registry hold text; a DHCP reply needs it as values, and parsing it again for each
packet was a sixth of a reply's cost. It does not read what people type: that needs better errors.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv4Interface
from typing import Final

KEPT: Final = 1 << 14  # a large cluster's nodes; beyond that some are parsed again


@lru_cache(maxsize=KEPT)
def ipv4_interface(text: str) -> IPv4Interface:
    """An address with its prefix length. Raises ValueError.

    >>> ipv4_interface("10.77.0.20/24").network
    IPv4Network('10.77.0.0/24')
    """
    return IPv4Interface(text)


@lru_cache(maxsize=KEPT)
def ipv4_address(text: str) -> IPv4Address:
    """An address alone. Raises ValueError."""
    return IPv4Address(text)
