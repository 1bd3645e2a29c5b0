"""An IPv6 host of other people's code, scapy, asks our server for a router."""

from __future__ import annotations

import json
import sys
import time
from typing import Any, cast

import pytest

from haoscar_pxe.serve.router import has_link_local
from tests.wire.conftest import BootServer

pytestmark = pytest.mark.wire

SOLICIT = """
import json, sys, time
from scapy.config import conf
from scapy.layers.inet6 import IPv6, ICMPv6ND_RA, ICMPv6ND_RS
from scapy.layers.l2 import Ether
from scapy.sendrecv import AsyncSniffer, sendp

hop_limit, count, wait_s = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
sniffer = AsyncSniffer(iface="eth0", lfilter=lambda packet: ICMPv6ND_RA in packet)
sniffer.start()
time.sleep(0.5)
asked = time.time()
sendp(Ether(dst="33:33:00:00:00:02") / IPv6(dst="ff02::2", hlim=hop_limit) / ICMPv6ND_RS(),
      iface="eth0", count=count, verbose=False)
time.sleep(wait_s)
print(json.dumps([
    {"dst": packet[IPv6].dst, "hlim": packet[IPv6].hlim, "src": packet[IPv6].src,
     "lifetime": packet[ICMPv6ND_RA].routerlifetime, "bytes": packet[IPv6].plen,
     "after_s": float(packet.time) - asked}
    for packet in sniffer.stop()
]))
"""


def solicit(server: BootServer, *, hop_limit: int = 255, count: int = 1) -> list[dict[str, Any]]:
    """The advertisements that are heard within a second of asking."""
    argv = [sys.executable, "-c", SOLICIT, str(hop_limit), str(count), "1"]
    said = json.loads(server.link.client.run(*argv).stdout)
    return cast("list[dict[str, Any]]", said)


def wait_for_link_local(server: BootServer) -> None:
    """Duplicate detection takes a second or two; until then nobody is answered.

    The client's own kernel asks for a router too, unless it is told not to.
    """
    quiet = "echo 0 > /proc/sys/net/ipv6/conf/eth0/accept_ra"
    server.link.client.run("sh", "-c", quiet)
    table = server.folder.parent / "if_inet6"
    until = time.monotonic() + 10
    while time.monotonic() < until:
        table.write_bytes(server.link.server.run("cat", "/proc/net/if_inet6").stdout)
        if has_link_local("eth0", table):
            return
        time.sleep(0.1)
    pytest.fail("the server's interface has no IPv6 address")


def test_a_solicitation_is_answered_to_all_with_no_router(router_server: BootServer) -> None:
    wait_for_link_local(router_server)
    (heard,) = solicit(router_server)
    assert (heard["dst"], heard["hlim"], heard["lifetime"]) == ("ff02::1", 255, 0)
    assert heard["src"].startswith("fe80::")
    assert heard["bytes"] == 16
    assert heard["after_s"] < 0.5


def test_a_rack_that_asks_at_once_hears_a_few_advertisements(router_server: BootServer) -> None:
    wait_for_link_local(router_server)
    assert 1 <= len(solicit(router_server, count=200)) <= 6


def test_a_solicitation_from_beyond_a_router_is_dropped(router_server: BootServer) -> None:
    wait_for_link_local(router_server)
    assert solicit(router_server, hop_limit=64) == []


def test_nobody_is_told_unless_the_site_wants_it(boot_server: BootServer) -> None:
    wait_for_link_local(boot_server)
    assert solicit(boot_server) == []
