"""Names by rule: each place keeps its address, and each machine gets one place."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from haoscar_pxe.errors import NodeError
from haoscar_pxe.nodes.naming import (
    NO_UUID,
    Naming,
    Place,
    names_of,
    places,
    plan_naming,
    replacement,
)
from haoscar_pxe.nodes.strangers import Stranger

RULE = places("n[1-3]", "10.77.0.21/24")


def seen(mac: str, *, uuid: str = "", is_pxe: bool = True) -> Stranger:
    return Stranger(mac=mac, client_uuid=uuid, is_pxe=is_pxe, first_ns=1, last_ns=1)


def named(naming: Naming) -> dict[str, str]:
    return {stranger.mac: place.name for stranger, place in naming.named}


def test_names_and_addresses_go_in_pairs() -> None:
    assert [
        Place("n1", "10.77.0.21/24"),
        Place("n2", "10.77.0.22/24"),
        Place("n3", "10.77.0.23/24"),
    ] == RULE
    assert names_of("head") == ["head"]


@pytest.mark.parametrize(
    "pattern",
    ["n[]", "n[a-b]", "n[3-1]", "N[1-2]", "n[1-2", "n[1,1]", "n[1-999999]", "[1-999]x[1-999]", ""],
)
def test_a_pattern_that_makes_no_names_is_refused(pattern: str) -> None:
    with pytest.raises(NodeError):
        names_of(pattern)


@pytest.mark.parametrize("first", ["10.77.0.21", "10.77.0.253/24", "10.77.0.256/24", "x/24"])
def test_addresses_that_are_not_there_are_refused(first: str) -> None:
    with pytest.raises(NodeError):
        places("n[1-3]", first)


def test_a_second_run_goes_on_where_the_first_one_ended() -> None:
    strangers = [seen("a"), seen("b"), seen("c")]
    naming = plan_naming(RULE, strangers, {"a"}.__contains__, ["n1"], [])
    assert named(naming) == {"b": "n2", "c": "n3"}


def test_a_place_whose_address_is_taken_is_passed_over() -> None:
    taken = [IPv4Address("10.77.0.21")]
    assert named(plan_naming(RULE, [seen("a")], lambda _: False, ["n2"], taken)) == {"a": "n3"}


def test_each_card_of_a_machine_is_the_same_machine() -> None:
    strangers = [seen("a", uuid="1"), seen("b", uuid="2"), seen("c", uuid="1"), seen("d", uuid="2")]
    naming = plan_naming(RULE, strangers, {"d"}.__contains__, [], [])
    assert named(naming) == {"a": "n1"}
    assert [why for _, why in naming.left] == [
        "it is another card of the machine with d",
        "it is another card of the machine with a",
    ]


@pytest.mark.parametrize("uuid", NO_UUID)
def test_machines_without_a_uuid_of_their_own_are_several(uuid: str) -> None:
    strangers = [seen("a", uuid=uuid), seen("b", uuid=uuid)]
    assert named(plan_naming(RULE, strangers, lambda _: False, [], [])) == {"a": "n1", "b": "n2"}


def test_who_boots_nothing_and_who_comes_too_late_is_left_with_the_reason() -> None:
    strangers = [seen("bmc", is_pxe=False), *(seen(mac) for mac in "abcd")]
    naming = plan_naming(RULE, strangers, lambda _: False, [], [])
    assert named(naming) == {"a": "n1", "b": "n2", "c": "n3"}
    assert [(each.mac, why) for each, why in naming.left] == [
        ("bmc", "it never asked for something to boot"),
        ("d", "all names of the pattern are given"),
    ]


def test_the_machine_in_anothers_place_must_be_told_apart() -> None:
    bmc, new, other = seen("bmc", is_pxe=False), seen("a"), seen("b")
    assert replacement([bmc, new], "") == new
    assert replacement([bmc, new, other], "b") == other
    with pytest.raises(NodeError, match=r"2 unknown machines .*: a, b"):
        replacement([bmc, new, other], "")
    with pytest.raises(NodeError, match="no unknown machine has asked for something to boot"):
        replacement([bmc], "")
    with pytest.raises(NodeError, match="with the MAC c has asked"):
        replacement([new], "c")
