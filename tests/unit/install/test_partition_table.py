"""Planned tables, written to plain files by the real sfdisk and read back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from haoscar_pxe.command import run
from haoscar_pxe.image.layout import DiskLayout
from haoscar_pxe.install import partition_table
from haoscar_pxe.install.claim import FIRST_BYTES, claim_of, read_claim
from haoscar_pxe.install.plan import InstallPlan, plan
from tests.unit.install.machines import (
    GIB,
    MIB,
    TOTALS,
    debian_layout,
    disk,
    gpt_layout,
    layout,
    order,
)


def written(captured: DiskLayout, tmp_path: Path) -> tuple[InstallPlan, dict[str, Any]]:
    """The plan, and what sfdisk says about the file that its script was written to."""
    image = tmp_path / "disk"
    with image.open("wb") as file:
        file.truncate(20 * GIB)
    made = plan(captured, TOTALS, [disk()], order(), "bios")
    run(["sfdisk", "-q", str(image)], stdin=partition_table.script(made).encode())
    table: dict[str, Any] = json.loads(run(["sfdisk", "--json", str(image)]).text)
    return made, table["partitiontable"]


@pytest.mark.parametrize("captured", [layout(), debian_layout(), gpt_layout()])
def test_sfdisk_makes_exactly_the_planned_partitions(captured: DiskLayout, tmp_path: Path) -> None:
    made, table = written(captured, tmp_path)
    found = [
        (int(each["node"].removeprefix(str(tmp_path / "disk"))), each["start"], each["size"])
        for each in table["partitions"]
    ]
    wanted = [
        (each.source.number, each.start_bytes // 512, each.size_bytes // 512)
        for each in made.partitions
    ]
    assert found == sorted(wanted)
    assert [each["type"].upper() for each in table["partitions"]] == [
        each.source.type_code
        for each in sorted(made.partitions, key=lambda each: each.source.number)
    ]


def test_an_mbr_keeps_its_signature_and_active_flag(tmp_path: Path) -> None:
    _, table = written(layout(), tmp_path)
    assert table["label"] == "dos"
    assert table["id"] == "0x12345678"
    assert table["partitions"][0]["bootable"] is True


def test_a_gpt_keeps_its_guids_and_names(tmp_path: Path) -> None:
    _, table = written(gpt_layout(), tmp_path)
    assert table["id"] == "12345678-1234-1234-1234-123456789ABC"
    root = table["partitions"][2]
    assert root["uuid"] == "AAAAAAAA-BBBB-CCCC-DDDD-EEEEEEEEEEEE"
    assert root["name"] == "root"


def test_wiping_claims_the_disk_and_empties_both_ends_only(tmp_path: Path) -> None:
    image = tmp_path / "disk"
    image.write_bytes(b"old!" * MIB)
    partition_table.wipe(image, 4 * MIB, claim_of("token"))
    content = image.read_bytes()
    assert read_claim(content[:FIRST_BYTES]) == claim_of("token")
    assert not any(content[: FIRST_BYTES - 512])
    assert not any(content[-FIRST_BYTES:])
    assert content[MIB : 3 * MIB] == b"old!" * (MIB // 2)


def test_the_table_leaves_the_claim_alone(tmp_path: Path) -> None:
    image = tmp_path / "disk"
    with image.open("wb") as file:
        file.truncate(20 * GIB)
    for captured in (debian_layout(), gpt_layout()):
        partition_table.wipe(image, 20 * GIB, claim_of("token"))
        made = plan(captured, TOTALS, [disk()], order(), "bios")
        quiet = ["--quiet", "--wipe", "never"]
        run(["sfdisk", *quiet, str(image)], stdin=partition_table.script(made).encode())
        with image.open("rb") as file:
            assert read_claim(file.read(FIRST_BYTES)) == claim_of("token")
