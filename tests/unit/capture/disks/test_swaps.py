"""Swap files are left out, disks with swap partitions are part of the layout."""

from __future__ import annotations

from haoscar_pxe.capture.disks.devices import BlockDevice
from haoscar_pxe.capture.disks.swaps import parse_swaps, swap_disks, swap_files
from haoscar_pxe.capture.scope.mounts import Mount
from tests.unit.capture.recorded import PRIMARY

SWAPS = parse_swaps((PRIMARY / "swaps").read_bytes())


def test_files_are_told_from_partitions() -> None:
    found = [(swap.source, swap.is_file) for swap in SWAPS]
    assert found == [
        (b"/dev/vda5", False),
        (b"/dev/dm-1", False),
        (b"/swapfile", True),
    ]
    assert list(swap_files(SWAPS)) == [b"/swapfile"]


def test_name_with_a_blank_is_read() -> None:
    text = rb"Filename Type Size Used Priority" b"\n" rb"/a\040b file 1 0 -2" b"\n"
    assert list(swap_files(parse_swaps(text))) == [b"/a b"]


def test_machine_without_swap() -> None:
    assert parse_swaps(b"Filename\tType\tSize\n") == []


def test_disks_that_do_not_stay_are_not_asked_for_their_swap() -> None:
    devices = {
        b"/dev/vda5": BlockDevice("vda5", frozenset({"vda"})),
        b"/dev/dm-1": BlockDevice("dm-1", frozenset({"zram0"}), "a disk in memory"),
    }

    def device_of(mount: Mount) -> BlockDevice | None:
        return devices.get(mount.source)

    assert swap_disks(SWAPS, device_of) == {"vda"}
