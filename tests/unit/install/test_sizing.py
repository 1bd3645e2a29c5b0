"""Partitions on disks of other sizes: what grows, what shrinks, what moves, what is refused."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from haoscar_pxe.image.layout import Disk
from haoscar_pxe.install import sizing
from haoscar_pxe.install.sizing import ImageTotals
from tests.unit.install.machines import (
    GIB,
    MIB,
    TOTALS,
    debian_layout,
    gpt_layout,
    layout,
    partition,
    root_fs,
)

DISKS = [each.disks[0] for each in (layout(), debian_layout(), gpt_layout())]


def places(disk: Disk, machine_bytes: int) -> dict[int, tuple[int, int]]:
    sized = sizing.size(disk, machine_bytes, 512)
    return {each.partition.number: (each.start_bytes, each.size_bytes) for each in sized}


def test_a_disk_of_the_same_size_keeps_every_place() -> None:
    (head,) = debian_layout().disks
    wanted = {each.number: (each.start_bytes, each.size_bytes) for each in head.partitions}
    assert places(head, head.size_bytes) == wanted


def test_the_last_file_system_takes_what_a_larger_disk_has_more() -> None:
    (head,) = gpt_layout().disks
    start_bytes, size_bytes = places(head, 20 * GIB)[3]
    assert start_bytes == 514 * MIB
    assert start_bytes + size_bytes == 20 * GIB - MIB


def test_swap_behind_the_root_moves_along_inside_its_extended_partition() -> None:
    (head,) = debian_layout().disks
    more = 5 * GIB
    before, after = places(head, head.size_bytes), places(head, head.size_bytes + more)
    assert after[1] == (before[1][0], before[1][1] + more)
    assert after[2] == (before[2][0] + more, before[2][1])
    assert after[5] == (before[5][0] + more, before[5][1])


def test_an_mbr_ends_where_its_sector_numbers_end() -> None:
    start_bytes, size_bytes = places(layout().disks[0], 3 << 40)[1]
    assert start_bytes + size_bytes <= 2**32 * 512


def test_a_smaller_disk_shrinks_the_file_system_to_its_content_and_room_to_work() -> None:
    (head,) = layout().disks
    least = sizing.least_disk_bytes(head, TOTALS)
    assert 500 * MIB < least < GIB
    assert not sizing.too_small(head, sizing.size(head, least, 512), TOTALS)


def test_a_file_system_that_was_full_on_the_head_still_fits_a_disk_of_the_same_size() -> None:
    full = layout(partition(1, MIB, 10 * GIB, root_fs(used_bytes=int(9.9 * GIB)))).disks[0]
    assert sizing.least_disk_bytes(full, TOTALS) <= full.size_bytes


def test_a_layout_too_small_for_its_own_content_is_told_with_numbers() -> None:
    (head,) = layout(partition(1, MIB, 100 * MIB, root_fs())).disks
    told = sizing.too_small(head, sizing.size(head, 101 * MIB, 512), TOTALS)
    assert told == ["partition 1 (/): its content needs 500 MiB, it has 100 MiB"]


def test_the_image_totals_do_not_count_for_one_of_two_file_systems() -> None:
    home = root_fs(mount_point="/home", used_bytes=MIB)
    (head,) = layout(
        partition(1, MIB, 600 * MIB, root_fs(used_bytes=400 * MIB)),
        partition(2, 601 * MIB, 10 * GIB, home),
    ).disks
    assert sizing.least_disk_bytes(head, TOTALS) < 700 * MIB


def test_inodes_stay_as_dense_as_on_the_head_and_suffice_for_the_entries() -> None:
    dense = root_fs(inode_count=1_000_000)
    assert sizing.inodes(dense, GIB, 2 * GIB, TOTALS) == 2_000_000
    assert sizing.inodes(root_fs(), 100 * MIB, 100 * MIB, ImageTotals(0, 100_000)) > 100_000


@given(st.sampled_from(DISKS), st.integers(min_value=0, max_value=1 << 44))
def test_nothing_overlaps_or_leaves_the_disk_whatever_its_size(disk: Disk, more: int) -> None:
    machine_bytes = sizing.least_disk_bytes(disk, TOTALS) + more
    sized = sizing.size(disk, machine_bytes, 512)
    ends = [each.start_bytes + each.size_bytes for each in sized]
    assert max(ends) <= machine_bytes
    assert not sizing.too_small(disk, sized, TOTALS)
    assert all(each.start_bytes % 512 == 0 and each.size_bytes > 0 for each in sized)
    holding = [each for each in sized if each.partition.type_code != "5"]
    for before, after in pairwise(holding):
        assert before.start_bytes + before.size_bytes <= after.start_bytes
