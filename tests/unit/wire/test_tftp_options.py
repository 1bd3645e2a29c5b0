from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haoscar_pxe.wire.tftp_options import Limits, Terms, negotiate
from haoscar_pxe.wire.tftp_packet import Oack, Request

LIMITS = Limits(mtu_bytes=1500, windowsize=64)


def agreed(*options: tuple[str, str], limits: Limits = LIMITS) -> Terms:
    return negotiate(Request("f", "octet", options), 1000, limits)


def test_without_options_there_is_no_oack() -> None:
    assert agreed() == Terms(blksize=512, windowsize=1, timeout_s=None, oack=None)


def test_ovmf_is_granted_what_it_asks_for() -> None:
    terms = agreed(("tsize", "0"), ("blksize", "1468"), ("windowsize", "4"))
    assert (terms.blksize, terms.windowsize) == (1468, 4)
    assert terms.oack == Oack((("tsize", "1000"), ("blksize", "1468"), ("windowsize", "4")))


@pytest.mark.parametrize(("mtu_bytes", "blksize"), [(1500, 1468), (9000, 8968), (576, 544)])
def test_a_block_never_needs_fragments(mtu_bytes: int, blksize: int) -> None:
    terms = agreed(("blksize", "65464"), limits=Limits(mtu_bytes=mtu_bytes))
    assert terms.blksize == blksize
    assert terms.oack == Oack((("blksize", str(blksize)),))


def test_the_window_is_no_larger_than_ours() -> None:
    assert agreed(("windowsize", "65535")).windowsize == 64


@pytest.mark.parametrize(
    "option",
    [
        ("blksize", "abc"),
        ("blksize", "7"),
        ("blksize", "65465"),
        ("blksize", "-512"),
        ("blksize", "+512"),
        ("blksize", "1_000"),
        ("blksize", "٥١٢"),
        ("blksize", "9" * 400),
        ("blksize", ""),
        ("timeout", "0"),
        ("timeout", "256"),
        ("windowsize", "0"),
        ("windowsize", "65536"),
        ("multicast", ""),
    ],
)
def test_a_value_that_no_rfc_allows_is_as_if_not_asked_for(option: tuple[str, str]) -> None:
    assert agreed(option) == Terms()


def test_the_oack_keeps_the_clients_order_and_leaves_out_what_is_not_accepted() -> None:
    terms = agreed(("windowsize", "8"), ("x", "y"), ("timeout", "3"), ("blksize", "1024"))
    assert terms.oack == Oack((("windowsize", "8"), ("timeout", "3"), ("blksize", "1024")))
    assert terms.timeout_s == 3


@given(st.lists(st.tuples(st.sampled_from(["blksize", "timeout", "windowsize"]), st.text())))
def test_any_values_give_terms_within_the_rfcs(options: list[tuple[str, str]]) -> None:
    terms = negotiate(Request("f", "octet", tuple(options)), 1, LIMITS)
    assert 8 <= terms.blksize <= 1468
    assert 1 <= terms.windowsize <= 64
