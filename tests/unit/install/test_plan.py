"""The install plan as a whole: what it refuses, what it will do, and that it says so."""

from __future__ import annotations

import pytest

from haoscar_pxe.errors import PlanRefusedError
from haoscar_pxe.image.layout import DiskLayout
from haoscar_pxe.install.claim import claim_of
from haoscar_pxe.install.plan import InstallPlan, explain, plan
from tests.unit.install.machines import (
    GIB,
    MIB,
    TOTALS,
    debian_layout,
    disk,
    gpt_layout,
    layout,
    order,
    partition,
    root_fs,
    uefi_layout,
)


def planned(captured: DiskLayout, **changes: str) -> InstallPlan:
    return plan(captured, TOTALS, [disk()], order(**changes), "bios")


def test_a_plan_says_what_it_erases_and_why_it_may() -> None:
    lines = explain(planned(gpt_layout()))
    told = "\n".join(lines)
    assert "the only fixed disk that is large enough" in told
    assert "allowed, because it is blank" in told
    assert "/dev/sda3: 19965 MiB from 514 MiB: ext4 11111111" in told
    assert "grown by 15869 MiB" in told


def test_partitions_are_named_as_the_kernel_names_them_on_this_disk() -> None:
    made = plan(layout(), TOTALS, [disk("/dev/nvme0n1")], order(), "bios")
    assert [each.device for each in made.partitions] == ["/dev/nvme0n1p1"]


def test_a_plan_claims_the_disk_for_the_order_without_its_token() -> None:
    made = planned(layout(), token="secret")
    assert made.claim == claim_of("secret")
    assert "secret" not in made.claim


def test_a_layout_without_room_for_a_claim_is_planned_and_says_what_that_means() -> None:
    made = planned(layout(partition(1, 63 * 512, 10 * GIB, root_fs())))
    assert made.claim == ""
    assert any("no room for a claim" in line for line in explain(made))


def test_file_systems_are_mounted_root_first_and_nested_ones_after_their_parents() -> None:
    captured = layout(
        partition(1, MIB, GIB, root_fs(mount_point="/var/lib")),
        partition(2, MIB + GIB, GIB, root_fs(mount_point="/")),
        partition(3, MIB + 2 * GIB, 2 * GIB, root_fs(mount_point="/var")),
    )
    mounts = [each.file_system for each in planned(captured).mounts]
    assert [fs.mount_point for fs in mounts if fs] == ["/", "/var", "/var/lib"]


def test_grub_looks_for_the_file_system_with_boot() -> None:
    captured = layout(
        partition(1, MIB, GIB, root_fs(mount_point="/boot", uuid="boot-uuid")),
        partition(2, MIB + GIB, 4 * GIB, root_fs()),
    )
    assert planned(captured).boot_file_system.uuid == "boot-uuid"


def test_a_refusal_says_that_nothing_was_touched_and_every_reason() -> None:
    with pytest.raises(PlanRefusedError) as refused:
        planned(layout(firmware="uefi", loader="none"))
    told = str(refused.value)
    assert "not touched" in told
    assert "UEFI" in told
    assert "'none'" in told


def test_a_disk_too_small_is_refused_with_both_sizes() -> None:
    with pytest.raises(PlanRefusedError, match=r"too small: 256 MiB, the image needs \d+ MiB"):
        plan(debian_layout(), TOTALS, [disk(size_bytes=256 * MIB)], order(), "bios")


def test_a_partition_off_the_sectors_of_this_disk_is_refused() -> None:
    odd = layout(partition(1, 63 * 512, 10 * GIB, root_fs()))
    with pytest.raises(PlanRefusedError, match="not on a sector"):
        plan(odd, TOTALS, [disk(sector_bytes=4096)], order(), "bios")


def test_a_uefi_plan_names_what_the_firmware_will_load_from() -> None:
    made = plan(uefi_layout(), TOTALS, [disk("/dev/nvme0n1")], order(), "uefi")
    esp = made.efi_system_partition
    assert esp is not None
    assert esp.device == "/dev/nvme0n1p1"
    assert "UEFI from /dev/nvme0n1p1" in "\n".join(explain(made))
    assert planned(gpt_layout()).efi_system_partition is None
