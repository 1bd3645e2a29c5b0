"""The pool of strangers: bounded, and an address comes back only from who has it."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from haoscar_pxe.boot.addresses import Pool

FIRST, LAST = IPv4Address("10.77.0.100"), IPv4Address("10.77.0.101")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pool(clock: Clock) -> Pool:
    return Pool(FIRST, LAST, 60, clock, lambda _: False)


def test_an_address_given_back_is_the_next_strangers(pool: Pool) -> None:
    assert [pool.lease("a"), pool.lease("b"), pool.lease("c")] == [FIRST, LAST, None]
    assert pool.release("a", FIRST)
    assert pool.lease("c") == FIRST


@pytest.mark.parametrize("address", [LAST, None, IPv4Address("10.77.0.20")])
def test_nobody_gives_back_what_is_anothers(pool: Pool, address: IPv4Address | None) -> None:
    pool.lease("a")
    pool.lease("b")
    assert not pool.release("a", address)
    assert not pool.decline("a", address)
    assert not pool.decline("unknown", FIRST)
    assert pool.lease("c") is None
    assert pool.spoiled == {}


def test_an_address_that_is_in_use_elsewhere_is_given_to_nobody_for_a_while(
    pool: Pool, clock: Clock
) -> None:
    assert pool.lease("a") == FIRST
    assert pool.decline("a", FIRST)
    assert pool.lease("a") == LAST
    assert pool.lease("b") is None
    clock.now = 61
    assert pool.lease("b") == FIRST
