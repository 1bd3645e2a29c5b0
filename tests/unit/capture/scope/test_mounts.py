"""The mount table is read as the kernel writes it, and hidden mounts are not seen."""

from __future__ import annotations

from pathlib import Path

import pytest

from haoscar_pxe.capture.scope.mounts import Mount, holding, parse_mountinfo, unescape, visible
from haoscar_pxe.errors import CaptureError
from tests.unit.capture.recording import mount

DATA = Path(__file__).parents[1] / "data"


def points(mounts: list[Mount]) -> list[bytes]:
    return [one.mount_point for one in mounts]


def test_table_of_this_machine_is_read() -> None:
    mounts = parse_mountinfo(Path("/proc/self/mountinfo").read_bytes())
    assert b"/proc" in points(mounts)


def test_blanks_tabs_and_newlines_in_mount_points_are_unescaped() -> None:
    assert unescape(rb"/a\040b\011c\012d\134e") == b"/a b\tc\nd\\e"


def test_names_that_are_not_utf8_survive() -> None:
    [one] = parse_mountinfo(b"36 1 8:1 / /mnt/\xff rw - ext4 /dev/sda1 rw\n")
    assert one.mount_point == b"/mnt/\xff"


def test_many_or_no_optional_fields_are_skipped() -> None:
    text = (
        b"1 0 8:1 / / rw shared:1 master:2 propagate_from:3 unbindable - ext4 /dev/sda1 rw\n"
        b"2 1 8:2 /sub /srv rw - xfs /dev/sda2 rw,attr2\n"
    )
    root, srv = parse_mountinfo(text)
    assert (root.kind, root.source) == ("ext4", b"/dev/sda1")
    assert (srv.fs_root, srv.device) == (b"/sub", (8, 2))


def test_mount_without_source_is_read() -> None:
    [one] = parse_mountinfo(b"36 1 0:30 / /x rw - tmpfs  rw\n")
    assert one.source == b""


def test_garbage_is_refused() -> None:
    with pytest.raises(CaptureError, match="mountinfo"):
        parse_mountinfo(b"not a line of it\n")


def test_second_mount_on_one_place_hides_the_first() -> None:
    table = [mount(1, b"/", parent=0), mount(2, b"/srv"), mount(3, b"/srv", parent=2)]
    assert [one.mount_id for one in visible(table)] == [1, 3]


def test_what_lay_below_a_mount_that_was_covered_is_hidden() -> None:
    table = [
        mount(1, b"/", parent=0),
        mount(2, b"/srv"),
        mount(3, b"/srv/data", parent=2),
        mount(4, b"/srv", parent=2),
        mount(5, b"/srv/other", parent=4),
    ]
    assert [one.mount_id for one in visible(table)] == [1, 4, 5]


def test_mount_below_a_folder_that_was_mounted_over_later_is_hidden() -> None:
    table = [mount(1, b"/", parent=0), mount(2, b"/srv/data"), mount(3, b"/srv")]
    assert points(visible(table)) == [b"/", b"/srv"]


def test_neighbour_with_a_longer_name_is_not_hidden() -> None:
    table = [mount(1, b"/", parent=0), mount(2, b"/srv"), mount(3, b"/srv2")]
    assert points(visible(table)) == [b"/", b"/srv", b"/srv2"]


def test_mount_that_is_its_own_parent_ends_the_search() -> None:
    assert points(visible([mount(1, b"/", parent=1), mount(2, b"/srv")])) == [b"/", b"/srv"]


def test_holding_finds_the_deepest_mount_around_a_path() -> None:
    table = [mount(1, b"/"), mount(2, b"/srv"), mount(3, b"/srv/deep")]
    assert [holding(table, path) for path in (b"/etc", b"/srv", b"/srv/deep/er", b"/srv2")] == [
        table[0],
        table[1],
        table[2],
        table[0],
    ]
    assert holding([], b"/etc") is None
