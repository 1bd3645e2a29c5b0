from __future__ import annotations

from typing import Any

import msgspec
import pytest

from haoscar_pxe.errors import PlanRefusedError
from haoscar_pxe.image.entry import Directory, Entry, Extent, File, HardLink, Metadata
from haoscar_pxe.image.layout import DiskLayout
from haoscar_pxe.image.manifest import Manifest
from haoscar_pxe.install.sync.journal import Link, MakeFolder, Put, Remove, SetAttributes
from haoscar_pxe.install.sync.plan import Had, Room, SyncPlan, plan
from haoscar_pxe.install.sync.survey import Deed, Finding, Survey
from tests.unit.boot import kernel_tree
from tests.unit.install.machines import GIB, MIB, layout, partition, root_fs

META = Metadata(0o755, 0, 0, 5)
ROOM = (Room(b"", 10 * GIB, 1000),)


def manifest(disks: DiskLayout | None = None, image: str = "primary") -> Manifest:
    return msgspec.structs.replace(
        kernel_tree.manifest(release="6.1.0"), layout=disks or layout(), image=image, generation=2
    )


def found(*findings: Finding) -> Survey:
    folders = {path: Directory(path, META) for path in (b"", b"usr", b"boot", b"boot/grub")}
    return Survey(findings, folders, 10)


def finding(deed: Deed, entry: Entry, **more: Any) -> Finding:
    fields: dict[str, Any] = {"was_there": True, "is_local": False, "wanted": entry}
    return Finding(path=entry.path, deed=deed, **(fields | more))


def a_file(path: bytes, size_bytes: int = 10) -> File:
    return File(path, META, size_bytes, (Extent(0, size_bytes, bytes(32)),))


def planned(*findings: Finding, **changes: Any) -> SyncPlan:
    had = Had("primary", 1, layout(), uses_heads_core=False)
    fields: dict[str, Any] = {
        "manifest": manifest(),
        "had": had,
        "found": found(*findings),
        "kept": frozenset(),
        "rooms": ROOM,
    }
    return plan(**(fields | changes))


def test_files_come_before_links_and_both_before_removals_and_folders_last() -> None:
    gone = Finding(b"usr/gone", "remove", None, True, False)
    made = planned(
        finding("put", a_file(b"usr/a")),
        finding("link", HardLink(b"usr/b", b"usr/a")),
        finding("attributes", a_file(b"usr/c")),
        gone,
        finding("folder", Directory(b"usr/new", META), was_there=False),
    )
    assert [type(step) for step in made.steps] == [
        MakeFolder,
        Put,
        Link,
        SetAttributes,
        Remove,
        SetAttributes,
    ]
    assert made.steps[-1] == SetAttributes(b"usr", META, True, False)


def test_nothing_found_is_nothing_to_do() -> None:
    assert planned().is_nothing


def test_every_reason_is_told_at_once() -> None:
    others = layout(partition(1, MIB, 5 * GIB, root_fs(uuid="another")))
    with pytest.raises(PlanRefusedError) as caught:
        planned(
            finding("put", a_file(b"usr/a", 20 * GIB)),
            manifest=manifest(others, "clients"),
            hold="it is held",
        )
    for words in ("it is held", "image primary, not clients", "partitions", "has 10737 MB free"):
        assert words in str(caught.value)


def test_a_disk_that_only_grew_is_the_same_disk() -> None:
    larger = msgspec.structs.replace(layout().disks[0], size_bytes=99 * GIB)
    planned(manifest=manifest(msgspec.structs.replace(layout(), disks=(larger,))))


def test_a_standby_whose_own_manifest_is_lost_is_installed_anew() -> None:
    with pytest.raises(PlanRefusedError, match="own manifest cannot be read"):
        planned(had=Had("primary", 1, None, uses_heads_core=False))


def test_grub_may_change_only_where_its_core_image_needs_nothing_of_it() -> None:
    module = finding("put", a_file(b"boot/grub/i386-pc/ext2.mod"))
    assert planned(module).steps
    with pytest.raises(PlanRefusedError, match="GRUB itself was changed"):
        planned(module, had=Had("primary", 1, layout(), uses_heads_core=True))


def test_what_is_kept_is_not_swept_away_with_a_folder_that_becomes_a_file() -> None:
    with pytest.raises(PlanRefusedError, match="something is kept"):
        planned(finding("put", a_file(b"usr")), kept=frozenset({b"usr/own"}))


def test_room_is_needed_on_the_file_system_that_the_file_goes_to() -> None:
    rooms = (Room(b"", 10 * GIB, 9), Room(b"boot", 70 << 20, 9))
    with pytest.raises(PlanRefusedError, match="/boot needs"):
        planned(finding("put", a_file(b"boot/vmlinuz", 30 << 20)), rooms=rooms)
    assert planned(finding("put", a_file(b"usr/vmlinuz", 30 << 20)), rooms=rooms).steps


def test_inodes_run_out_too() -> None:
    many = [finding("put", a_file(b"usr/%d" % number)) for number in range(20)]
    with pytest.raises(PlanRefusedError, match="20 inodes"):
        planned(*many, rooms=(Room(b"", 10 * GIB, 19),))
