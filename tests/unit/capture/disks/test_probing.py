"""The tools are asked for the disks that matter and for no others."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from haoscar_pxe.capture.disks.probing import descendants, find_node, partitions_of, probe
from haoscar_pxe.command import Finished
from haoscar_pxe.errors import CommandError
from tests.unit.capture.recorded import RecordedTools


def test_only_wanted_disks_are_asked() -> None:
    tools = RecordedTools()
    facts = probe(frozenset({"vda"}), {"vda1"}, tools)
    assert list(facts.tables) == ["vda"]
    assert sorted(facts.signatures) == ["vda1", "vda5"]
    assert list(facts.ext) == ["vda1"]
    assert tools.ran == ["lsblk", "sfdisk", "blkid", "dumpe2fs", "blkid", "blkid"]


def test_disk_without_partitions_is_asked_for_its_signature_only() -> None:
    facts = probe(frozenset({"vdc"}), (), RecordedTools())
    assert facts.tables == {}
    assert facts.signatures["vdc"].kind == "linux_raid_member"


def test_volumes_are_found_below_their_disks() -> None:
    facts = probe(frozenset({"vda"}), (), RecordedTools())
    home = find_node(facts.nodes, "dm-0")
    assert home is not None
    assert home.type == "lvm"
    assert find_node(facts.nodes, "sda") is None
    disk = find_node(facts.nodes, "vdb")
    assert disk is not None
    assert [node.kname for node in partitions_of(disk)][:2] == ["vdb1", "vdb2"]
    assert home in descendants(disk)


def test_tool_that_fails_stops_the_capture_with_what_to_do() -> None:
    hints: list[str] = []

    def refused(argv: Sequence[str], *, stdin: bytes = b"", hint: str = "") -> Finished:
        if argv[0] == "lsblk":
            return RecordedTools()(argv)
        hints.append(hint)
        raise CommandError("exit status 1: cannot open /dev/vda: Permission denied", status=1)

    with pytest.raises(CommandError, match="Permission denied"):
        probe(frozenset({"vda"}), (), refused)
    assert "--layout" in hints[0]


def test_file_system_that_is_not_mounted_is_not_looked_into() -> None:
    facts = probe(frozenset({"vdb"}), {"vdb2"}, RecordedTools())
    assert facts.signatures["vdb6"].kind == "ext4"
    assert list(facts.ext) == ["vdb2"]
