"""The tree is put together outermost first, and what is left out is bound only where it is safe."""

from __future__ import annotations

from pathlib import Path

from haoscar_pxe.capture.scope.belonging import Decision
from haoscar_pxe.capture.snapshot.assembly import assemble, in_tree
from haoscar_pxe.capture.snapshot.making import Made
from haoscar_pxe.capture.snapshot.plan import Plan, SubvolumeShot, View, VolumeShot
from tests.unit.capture.recording import mount
from tests.unit.capture.snapshot.tools import Tools

THIN = VolumeShot("vg", "root", "xfs")
THICK = VolumeShot("vg", "home", "ext4", 64 << 20)
TOP = SubvolumeShot(b"/dev/sda2", b"@data")
TOPS = {b"/dev/sda2": Path("/tops/0")}
PLAN = Plan(
    (
        View(b"/", THIN, ""),
        View(b"/boot", None, ""),
        View(b"/data", TOP, "", b"/x"),
        View(b"/home", THICK, ""),
    )
)
MADE = [Made(THIN, "first"), Made(TOP, "second"), Made(THICK, "third")]


def left_out(number: int, place: bytes, *, may_hang: bool = False) -> Decision:
    return Decision(mount(number, place), False, "", may_hang)


def test_each_place_shows_its_snapshot_or_the_live_files(tmp_path: Path) -> None:
    tools, tree = Tools(), tmp_path / "tree"
    assemble(PLAN, MADE, [], tmp_path, TOPS, tools)
    shots = tmp_path / "shots"
    assert tools.ran == [
        ["lvchange", "--activate", "y", "--ignoreactivationskip", "vg/first"],
        ["mount", "-t", "xfs", "-o", "ro,nouuid,norecovery", "/dev/vg/first", f"{shots}/0"],
        ["mount", "-t", "ext4", "-o", "ro,noload", "/dev/vg/third", f"{shots}/2"],
        ["mount", "--bind", f"{shots}/0", str(tree)],
        ["mount", "--bind", "/boot", f"{tree}/boot"],
        ["mount", "--bind", "/tops/0/second/x", f"{tree}/data"],
        ["mount", "--bind", f"{shots}/2", f"{tree}/home"],
    ]


def test_a_mount_point_that_may_hang_or_lies_in_what_is_left_out_is_not_touched(
    tmp_path: Path,
) -> None:
    decisions = [
        left_out(2, b"/proc"),
        left_out(3, b"/proc/sys/fs/binfmt_misc"),
        left_out(4, b"/nfs", may_hang=True),
        left_out(5, b"/nfs/inside"),
    ]
    tools = Tools(failing=["/proc"])
    assemble(PLAN, MADE, decisions, tmp_path, TOPS, tools)
    bound = [argv[2] for argv in tools.ran if argv[1] == "--bind"]
    assert bound[4:] == ["/proc"]


def test_a_path_of_the_head_is_found_below_the_stage() -> None:
    stage = Path("/stage")
    assert in_tree(b"/", b"/", stage) == b"/stage/tree"
    assert in_tree(b"/srv/head/etc", b"/srv", stage) == b"/stage/tree/head/etc"
