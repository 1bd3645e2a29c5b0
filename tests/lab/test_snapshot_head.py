"""LVM, plain and thin, and a btrfs with a nested subvolume, captured under a writer in a guest."""

from __future__ import annotations

from typing import cast

import pytest

from haoscar_pxe.rehearse.accelerator import TCG
from tests.lab.storage_guest import PLACES
from tests.lab.storage_machine import PROGRAMS, findings
from tests.needed import need

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    need("qemu-system-x86_64", "apt-get", "dpkg-deb", "busybox", *PROGRAMS)
    return findings(tmp_path_factory.mktemp("storage"), TCG)


def test_what_a_writer_keeps_together_is_captured_together(found: dict[str, object]) -> None:
    apart = cast(dict[str, int], found["apart"])
    assert set(apart) == set(PLACES)
    assert all(ahead in (0, 1) for ahead in apart.values())


def test_without_snapshots_it_is_torn_apart(found: dict[str, object]) -> None:
    apart = cast(dict[str, int], found["live apart"])
    assert all(ahead < -1 for ahead in apart.values())


def test_the_record_says_that_only_boot_was_read_live(found: dict[str, object]) -> None:
    assert found["consistency"] == "mixed"
    readings = cast(dict[str, tuple[bool, str]], found["readings"])
    assert {place: is_snapshot for place, (is_snapshot, _) in readings.items()} == {
        "/head": True,
        "/head/boot": False,
        "/head/data": True,
        "/head/data/inner": True,
        "/head/srv": True,
    }
    assert "an LVM snapshot of vg/root with room for 32 MiB" in readings["/head"][1]
    assert "thin" in readings["/head/srv"][1]


def test_no_snapshot_and_no_mount_stays(found: dict[str, object]) -> None:
    assert found["left after a capture"] == []
    assert found["mounts"] == []


def test_unchanged_files_are_known_through_the_next_snapshot(found: dict[str, object]) -> None:
    first, second = cast(tuple[int, int], found["reads"])
    assert first > 0
    assert second == 0


def test_the_snapshots_of_a_killed_capture_are_removed_by_the_next(
    found: dict[str, object],
) -> None:
    assert found["left by a killed capture"] == 4
    assert found["while the next one reads"] == [4]
    assert found["left by the next one"] == []


def test_a_snapshot_that_overflows_fails_the_capture_and_is_removed(
    found: dict[str, object],
) -> None:
    assert "vg/root had room for 32 MiB of changes" in cast(str, found["overflow"])
    assert found["generations added by it"] == 0
    assert found["left by an overflow"] == []


def test_a_running_head_is_read_from_its_snapshot_without_being_asked_to(
    found: dict[str, object],
) -> None:
    assert found["head"] == ["snapshot", 1]
    has_program, has_what_came_meanwhile, has_process = cast(list[bool], found["head has"])
    assert has_program
    assert not has_what_came_meanwhile
    assert not has_process
    assert found["mode of proc"] == 0o555
    assert found["left by a running head"] == []
    warnings = cast(list[str], found["head's warnings"])
    assert not [sentence for sentence in warnings if "snapshot" in sentence]
