from __future__ import annotations

import pytest

from haoscar_pxe.addresses import ipv4_address, ipv4_interface


def test_a_text_is_parsed_once() -> None:
    assert ipv4_interface("10.77.0.20/24") is ipv4_interface("10.77.0.20/24")
    assert ipv4_address("10.77.0.20") is ipv4_address("10.77.0.20")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "empty"),
        ("10.77.0.256", "not permitted"),
        ("10.77.0.1/33", "netmask"),
        ("fd00::1", "4 octets"),
    ],
)
def test_what_is_no_address_stays_an_error(text: str, why: str) -> None:
    for _ in range(2):
        with pytest.raises(ValueError, match=why):
            ipv4_interface(text)
