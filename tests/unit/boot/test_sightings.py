"""Unknown machines: what is noted of them, and who gives way when there are too many."""

from __future__ import annotations

from haoscar_pxe.boot.sightings import LONGEST_CLASS, MOST_STEPS, Sightings
from haoscar_pxe.nodes.asking import Asker
from haoscar_pxe.nodes.strangers import Stranger

MAC = "52:54:00:00:01:01"
UUID = "00112233445566778899aabbccddeeff"
FIRMWARE = Asker(mac=MAC, arch=7, vendor_class="PXEClient:Arch:00007", client_uuid=UUID)


def test_what_firmware_says_is_kept_when_the_system_says_less() -> None:
    sightings = Sightings()
    sightings.asked(FIRMWARE, 10)
    sightings.fetched(MAC, "grub configuration", 20)
    sightings.asked(Asker(mac=MAC), 30)
    assert sightings.unkept() == {
        MAC: Stranger(
            mac=MAC,
            client_uuid=UUID,
            arch=7,
            vendor_class="PXEClient:Arch:00007",
            is_pxe=True,
            first_ns=10,
            last_ns=30,
            asked=2,
            steps=("firmware DISCOVER", "grub configuration", "system DISCOVER"),
        )
    }
    assert sightings.unkept() == {}


def test_a_file_that_names_a_mac_makes_nobody_appear() -> None:
    sightings = Sightings()
    sightings.fetched(MAC, "ipxe configuration", 1)
    assert sightings.unkept() == {}


def test_what_a_machine_can_say_is_bounded() -> None:
    sightings = Sightings()
    for at in range(100):
        sightings.asked(Asker(mac=MAC, vendor_class="x" * 300, is_ipxe=bool(at % 2)), at)
    (stranger,) = sightings.unkept().values()
    assert stranger is not None
    assert len(stranger.vendor_class) == LONGEST_CLASS
    assert len(stranger.steps) == MOST_STEPS
    assert stranger.steps[-2:] == ("system DISCOVER", "iPXE DISCOVER")


def test_a_hundred_thousand_invented_macs_push_out_nobody_who_came_back() -> None:
    sightings, kept = Sightings(most=100), dict[str, Stranger | None]()
    for number in range(50):
        for _ in range(2):
            sightings.asked(Asker(mac=f"rack {number}"), number)
    for number in range(100_000):
        sightings.asked(Asker(mac=f"invented {number}"), 1_000 + number)
        if number % 10_000 == 0:
            changes = sightings.unkept()
            assert len(changes) <= 400, "what is to be written is bounded too"
            kept |= changes
    kept |= sightings.unkept()
    there = {mac for mac, stranger in kept.items() if stranger is not None}
    assert {mac for mac in there if mac.startswith("rack")} == {f"rack {n}" for n in range(50)}
    assert len(there) == 150


def test_a_restart_knows_them_and_a_smaller_room_forgets_those_seen_longest_ago() -> None:
    first = Sightings()
    for number in range(5):
        first.asked(Asker(mac=f"{number}"), number)
    known = [each for each in first.unkept().values() if each is not None]
    assert Sightings(known).unkept() == {}
    again = Sightings(known, most=3)
    assert again.unkept() == {"0": None, "1": None}
    again.asked(Asker(mac="4"), 9)
    (seen,) = again.unkept().values()
    assert seen is not None
    assert (seen.first_ns, seen.last_ns, seen.asked) == (4, 9, 2)
