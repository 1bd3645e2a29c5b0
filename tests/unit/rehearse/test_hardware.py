"""A machine's parts are what QEMU has, and each disk hangs on the bus that was asked for."""

from __future__ import annotations

from typing import get_args

import pytest

from haoscar_pxe.command import run
from haoscar_pxe.rehearse.accelerator import QEMU
from haoscar_pxe.rehearse.hardware import DiskBus, Nic, card, disk
from tests.needed import need

MAC = "52:54:00:00:00:20"


@pytest.mark.parametrize("bus", get_args(DiskBus))
def test_every_disk_is_found_by_its_serial(bus: DiskBus) -> None:
    [shown] = [word for word in disk("disk0", bus) if "drive=disk0" in word]
    assert "serial=rehearsal" in shown


def test_a_sata_disk_is_not_on_the_boards_own_ide_controller() -> None:
    controller, shown = disk("disk0", "sata")[1::2]
    assert controller.startswith("ahci,id=sata0")
    assert shown.endswith("bus=sata0.0")


@pytest.mark.parametrize("nic", get_args(Nic))
def test_only_the_first_card_has_a_boot_program(nic: Nic) -> None:
    assert "romfile" not in " ".join(card(0, "tap0", MAC, nic))
    assert "romfile=" in " ".join(card(1, "tap1", MAC, nic))


@pytest.mark.parametrize("nic", get_args(Nic))
@pytest.mark.parametrize("bus", get_args(DiskBus))
def test_qemu_knows_these_parts(nic: Nic, bus: DiskBus) -> None:
    need(QEMU, root=False)
    _, _, _, device = card(0, "tap0", MAC, nic)
    argv = [QEMU, "-nodefaults", "-display", "none", "-accel", "tcg", "-S", "-monitor", "stdio"]
    argv += ["-netdev", "socket,id=net0,udp=127.0.0.1:9,localaddr=127.0.0.1:0", "-device", device]
    argv += ["-drive", "file=null-co://,format=raw,if=none,id=disk0", *disk("disk0", bus)]
    run(argv, stdin=b"quit\n", timeout_s=30)
