from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet6 import ICMPv6ND_RA, ICMPv6ND_RS, ICMPv6NDOptSrcLLAddr

from haoscar_pxe.errors import WireError
from haoscar_pxe.wire.router_advertisement import check_solicitation, no_router

SOLICITATION = bytes(ICMPv6ND_RS(cksum=1) / ICMPv6NDOptSrcLLAddr(lladdr="52:54:00:00:00:01"))


def test_scapy_reads_an_advertisement_of_no_router_and_no_prefix() -> None:
    read = ICMPv6ND_RA(no_router())
    assert (read.type, read.code, read.routerlifetime, read.chlim) == (134, 0, 0, 0)
    assert (read.M, read.O, read.reachabletime, read.retranstimer) == (0, 0, 0, 0)
    assert bytes(read.payload) == b""


def test_a_solicitation_with_or_without_its_option_is_valid() -> None:
    check_solicitation(SOLICITATION, 255)
    check_solicitation(SOLICITATION[:8], 255)


@pytest.mark.parametrize(
    ("message", "hop_limit", "said"),
    [
        (SOLICITATION, 254, "not of this link"),
        (SOLICITATION, -1, "not of this link"),
        (SOLICITATION[:7], 255, "at least 8"),
        (b"\x86" + SOLICITATION[1:], 255, "type 134"),
        (b"\x85\x01" + SOLICITATION[2:], 255, "code 1"),
        (SOLICITATION[:8] + b"\x01\x00" + bytes(6), 255, "impossible length"),
        (SOLICITATION[:8] + b"\x01\x02" + bytes(6), 255, "impossible length"),
        (SOLICITATION[:8] + b"\x01", 255, "impossible length"),
    ],
)
def test_what_a_router_must_drop_is_refused(message: bytes, hop_limit: int, said: str) -> None:
    with pytest.raises(WireError, match=said):
        check_solicitation(message, hop_limit)


@given(st.binary(max_size=200))
def test_any_bytes_are_accepted_or_raise_wire_error(options: bytes) -> None:
    for message in (options, SOLICITATION[:8] + options):
        try:
            check_solicitation(message, 255)
        except WireError:
            continue
