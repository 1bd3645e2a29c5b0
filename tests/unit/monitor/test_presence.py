"""What a head shows: door before addresses, and the other way round at the end."""

from __future__ import annotations

import pytest

from haoscar_pxe.errors import FailoverError
from haoscar_pxe.monitor.entrance import Entrance
from haoscar_pxe.monitor.presence import Presence


class Gate:
    """A door and the addresses behind it, which write down what is done to them."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.is_guarded = True
        self.vanishes = True

    def open(self, until: int) -> bool:
        """See Door."""
        if not self.is_guarded:
            raise FailoverError("nothing guards it")
        self.done.append(f"open {until}")
        return until > 100

    def shut(self) -> None:
        """See Door."""
        if not self.is_guarded:
            raise FailoverError("nothing guards it")
        self.done.append("shut")

    def appear(self) -> str:
        """See Face."""
        self.done.append("appear")
        return "one is missing"

    def vanish(self) -> bool:
        """See Face."""
        self.done.append("vanish")
        return self.vanishes


def test_the_door_is_shut_before_the_addresses_vanish() -> None:
    gate = Gate()
    presence = Presence(Entrance(gate, gate))
    assert presence.open(200)
    presence.appear()
    assert presence.is_open(199)
    assert presence.trouble == "one is missing"
    assert presence.end()
    assert not presence.is_open(199)
    assert gate.done == ["open 200", "appear", "shut", "vanish"]


def test_a_door_that_stays_as_it_is_has_not_run_out() -> None:
    presence = Presence(Entrance(Gate(), Gate()))
    assert not presence.open(100)
    assert not presence.has_run_out(300)
    assert presence.open(200)
    assert not presence.has_run_out(199)
    assert presence.has_run_out(200)


@pytest.mark.parametrize("vanishes", [True, False])
def test_without_a_guard_only_vanished_addresses_are_silence(vanishes: bool) -> None:
    gate = Gate()
    presence = Presence(Entrance(gate, gate))
    gate.is_guarded, gate.vanishes = False, vanishes
    with pytest.raises(FailoverError):
        presence.open(200)
    assert presence.end() is vanishes
    assert presence.guards_gone == 1


def test_the_witness_shows_nothing_and_is_always_silent() -> None:
    presence = Presence(None)
    assert not presence.open(200)
    presence.appear()
    assert presence.end()
