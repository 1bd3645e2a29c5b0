"""Messages for addresses, as pyroute2 reads them."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg

from haoscar_pxe.wire.rtnetlink import delete_address, new_address


@pytest.mark.parametrize(
    ("text", "family", "length", "flags"),
    [("10.77.0.100", 2, 32, 0), ("fd00:77::100", 10, 128, 2)],
)
def test_an_address_is_a_host_route_of_its_interface(
    text: str, family: int, length: int, flags: int
) -> None:
    message = ifaddrmsg(new_address(7, ip_address(text)))
    message.decode()
    assert message["header"]["type"] == 20
    assert message["header"]["flags"] == 0x1 | 0x4 | 0x100 | 0x400
    assert (message["family"], message["prefixlen"], message["flags"]) == (family, length, flags)
    assert (message["index"], message["scope"]) == (7, 0)
    assert message.get_attr("IFA_LOCAL") == message.get_attr("IFA_ADDRESS") == text


def test_a_removal_names_the_same_address() -> None:
    message = ifaddrmsg(delete_address(7, ip_address("10.77.0.100")))
    message.decode()
    assert (message["header"]["type"], message["header"]["flags"]) == (21, 0x1 | 0x4)
    assert (message["index"], message.get_attr("IFA_LOCAL")) == (7, "10.77.0.100")
