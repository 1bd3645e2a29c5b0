"""The pool of strangers: bounded, fair, and an address comes back only from who has it."""

from __future__ import annotations

import random
import time
from ipaddress import IPv4Address

import pytest

from haoscar_pxe.boot.addresses import HELD_S, MOST_TRIES, Pool
from haoscar_pxe.nodes.leases import Lease

FIRST, LAST = IPv4Address("10.77.0.100"), IPv4Address("10.77.0.101")
LEASE_S = 600


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pool(clock: Clock) -> Pool:
    return Pool(FIRST, LAST, LEASE_S, clock, lambda _: False)


def take(pool: Pool, mac: str) -> IPv4Address | None:
    """An address offered and leased."""
    address = pool.offer(mac)
    if address is not None:
        assert pool.lease(mac, address)
    return address


def test_an_address_given_back_is_the_next_strangers(pool: Pool) -> None:
    assert [take(pool, "a"), take(pool, "b"), take(pool, "c")] == [FIRST, LAST, None]
    assert pool.release("a", FIRST)
    assert take(pool, "c") == FIRST


@pytest.mark.parametrize("address", [LAST, None, IPv4Address("10.77.0.20")])
def test_nobody_gives_back_what_is_anothers(pool: Pool, address: IPv4Address | None) -> None:
    take(pool, "a")
    take(pool, "b")
    pool.unkept()
    assert not pool.release("a", address)
    assert not pool.decline("a", address)
    assert not pool.decline("unknown", FIRST)
    assert take(pool, "c") is None
    assert pool.unkept() == {}


def test_an_address_that_is_in_use_elsewhere_is_given_to_nobody_for_a_while(
    pool: Pool, clock: Clock
) -> None:
    assert take(pool, "a") == FIRST
    assert pool.decline("a", FIRST)
    assert take(pool, "a") == LAST
    assert take(pool, "b") is None
    clock.now += LEASE_S + 1
    take(pool, "a")
    assert take(pool, "b") == FIRST


def test_who_was_not_offered_an_address_cannot_lease_it(pool: Pool) -> None:
    pool.offer("a")
    assert not pool.lease("a", LAST)
    assert not pool.lease("b", FIRST)
    assert pool.unkept() == {}


def test_an_offer_that_nobody_takes_holds_its_address_for_a_minute_only(
    pool: Pool, clock: Clock
) -> None:
    assert [pool.offer("a"), pool.offer("b"), pool.offer("c")] == [FIRST, LAST, None]
    clock.now += HELD_S + 1
    assert take(pool, "c") == FIRST


def test_a_lease_is_its_owners_while_it_renews_and_then_until_somebody_needs_it(
    pool: Pool, clock: Clock
) -> None:
    take(pool, "a")
    take(pool, "b")
    for _ in range(5):
        clock.now += LEASE_S - 1
        assert take(pool, "a") == FIRST
    assert take(pool, "b") == LAST, "nobody needed it meanwhile"
    clock.now += LEASE_S + 1
    assert take(pool, "c") == FIRST, "both have ended, this one first"
    assert take(pool, "a") == LAST
    assert take(pool, "b") is None


def test_what_was_leased_declined_and_given_back_is_said_once_to_be_kept(
    pool: Pool, clock: Clock
) -> None:
    take(pool, "a")
    take(pool, "b")
    pool.decline("a", FIRST)
    assert pool.unkept() == {
        FIRST: Lease("", clock.now + LEASE_S),
        LAST: Lease("b", clock.now + LEASE_S),
    }
    pool.release("b", LAST)
    assert pool.unkept() == {LAST: None}
    assert pool.unkept() == {}


def test_a_restart_keeps_owners_and_quarantine_and_forgets_what_left_the_pool(clock: Clock) -> None:
    outside = IPv4Address("10.77.0.9")
    kept = {
        FIRST: Lease("", clock.now + 100),
        LAST: Lease("a", clock.now + 100),
        outside: Lease("z", clock.now + 100),
    }
    pool = Pool(FIRST, LAST, LEASE_S, clock, lambda _: False, kept)
    assert pool.unkept() == {outside: None}
    assert take(pool, "b") is None
    assert take(pool, "a") == LAST
    clock.now += 101
    assert take(pool, "b") == FIRST


def test_a_clock_that_was_ahead_before_the_restart_holds_no_address_for_years(clock: Clock) -> None:
    kept = {FIRST: Lease("a", clock.now + 1e9), LAST: Lease("b", clock.now + 1e9)}
    pool = Pool(FIRST, LAST, LEASE_S, clock, lambda _: False, kept)
    assert pool.offer("c") is None
    clock.now += LEASE_S + 1
    assert pool.offer("c") is not None


def test_a_lease_whose_address_became_a_nodes_moves(clock: Clock) -> None:
    nodes: set[IPv4Address] = set()
    pool = Pool(FIRST, LAST, LEASE_S, clock, nodes.__contains__)
    assert take(pool, "a") == FIRST
    nodes.add(FIRST)
    assert take(pool, "a") == LAST
    assert take(pool, "b") is None
    nodes.clear()
    clock.now += LEASE_S + 1
    assert take(pool, "b") == FIRST


def test_a_hundred_thousand_strangers_leave_the_pool_to_those_who_have_leases(clock: Clock) -> None:
    """What they may cost: bounded memory, and no more time when the pool is used up."""
    first = IPv4Address("10.0.0.0")
    pool = Pool(first, first + 9_999, LEASE_S, clock, lambda _: False)
    honest = {f"honest {number}": take(pool, f"honest {number}") for number in range(1_000)}
    began = time.process_time()
    offers = [pool.offer(f"stranger {number}") for number in range(100_000)]
    assert time.process_time() - began < 3, "30 microseconds each, ten times what it takes"
    assert sum(offer is not None for offer in offers) == 9_000
    assert {mac: take(pool, mac) for mac in honest} == honest
    clock.now += HELD_S + 1
    assert take(pool, "late") is not None


def test_a_question_passes_over_a_bounded_number_of_nodes_addresses(clock: Clock) -> None:
    first = IPv4Address("10.0.0.0")
    free, asked = first + 5 * MOST_TRIES, 0

    def is_taken(address: IPv4Address) -> bool:
        nonlocal asked
        asked += 1
        return address != free

    pool = Pool(first, free, LEASE_S, clock, is_taken)
    answers = []
    for _ in range(6):
        asked = 0
        answers.append(pool.offer("a"))
        assert asked <= MOST_TRIES
    assert answers == [None] * 5 + [free]


@pytest.mark.parametrize("seed", range(20))
def test_whatever_strangers_do_no_address_has_two_owners(clock: Clock, seed: int) -> None:
    """Against a model that knows only who was last given what, and until when."""
    chance = random.Random(seed)
    first = IPv4Address("10.0.0.0")
    pool = Pool(first, first + 7, LEASE_S, clock, lambda _: False)
    owners: dict[IPv4Address, tuple[str, float]] = {}
    kept: dict[IPv4Address, Lease] = {}
    for _ in range(2_000):
        mac = str(chance.randrange(14))
        mine = next((each for each, (who, _) in owners.items() if who == mac), None)
        match chance.randrange(7):
            case 0:
                clock.now += chance.choice((1, HELD_S, LEASE_S / 2, LEASE_S))
            case 1 if mine is not None and pool.release(mac, mine):
                del owners[mine]
            case 2 if mine is not None and pool.decline(mac, mine):
                owners[mine] = ("nobody", clock.now + LEASE_S)
            case 3 if chance.random() < 0.1:
                pool = Pool(first, first + 7, LEASE_S, clock, lambda _: False, kept)
            case _:
                address = take(pool, mac)
                if address is None:
                    assert all(end >= clock.now for _, end in owners.values()), "one was free"
                    assert len(owners) == 8
                    continue
                who, end = owners.get(address, ("", 0.0))
                assert who in ("", mac) or end <= clock.now, "somebody else's"
                assert mine in (None, address) or who == mac or owners[mine][1] <= clock.now
                if mine is not None and mine != address:
                    del owners[mine]
                owners[address] = (mac, clock.now + LEASE_S)
        for changed, lease in pool.unkept().items():
            kept.pop(changed, None)
            if lease is not None:
                kept[changed] = lease
