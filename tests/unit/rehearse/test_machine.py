"""A machine is blank, network-boots first, and leaves nothing behind."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Interface
from pathlib import Path

import pytest

from haoscar_pxe.errors import MissingToolError
from haoscar_pxe.rehearse.firmware import Flash, MachineFirmware, flash_of
from haoscar_pxe.rehearse.hardware import MIB, Hardware
from haoscar_pxe.rehearse.machine import Machine
from haoscar_pxe.rehearse.network import Network
from tests.needed import need_files
from tests.unit.rehearse.recorded import RecordedRun

HARDWARE = Hardware(macs=("52:54:00:00:00:20",), accelerator="tcg", disk_bytes=64 * MIB)
NETWORK = Network("hx-1-1", IPv4Interface("10.77.0.1/24"), RecordedRun())


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    with Machine(tmp_path / "machine", NETWORK, HARDWARE) as made:
        yield made


def test_its_disk_is_blank_and_takes_no_room(machine: Machine) -> None:
    status = machine.disk.stat()
    assert status.st_size == 64 * MIB
    assert status.st_blocks * 512 < MIB


def test_a_machine_made_again_is_blank_again(tmp_path: Path, machine: Machine) -> None:
    machine.disk.write_bytes(b"a boot sector")
    machine.console_log.write_text("said before")
    with Machine(tmp_path / "machine", NETWORK, HARDWARE) as again:
        assert again.disk.stat().st_size == 64 * MIB
        assert again.disk.read_bytes().strip(b"\0") == b""
        assert again.console() == ""


def test_it_boots_from_the_network_before_its_disk(machine: Machine) -> None:
    argv = machine.argv(stop_at_reset=False)
    assert argv[argv.index("-boot") + 1] == "order=nc"
    assert any("mac=52:54:00:00:00:20" in word for word in argv)
    assert "-no-reboot" not in argv
    assert "-no-reboot" in machine.argv(stop_at_reset=True)


@pytest.mark.parametrize("firmware", ["uefi-native", "uefi-secure-boot", "uefi-http"])
def test_a_uefi_machine_has_its_own_variables_and_no_ipxe(
    tmp_path: Path, firmware: MachineFirmware
) -> None:
    flash = flash_of(firmware)
    assert flash is not None
    need_files((str(flash.code),), (str(flash.variables),))
    with Machine(tmp_path, NETWORK, replace(HARDWARE, firmware=firmware)) as machine:
        argv = machine.argv(stop_at_reset=False)
        assert machine.variables.read_bytes() == flash.variables.read_bytes()
        machine.variables.write_bytes(b"what the last machine wrote")
    assert f"if=pflash,format=raw,unit=1,file={tmp_path}/variables.fd" in argv
    assert any("virtio-net" in word and word.endswith("romfile=") for word in argv)
    assert "-boot" not in argv, "the firmware's own order counts"
    with Machine(tmp_path, NETWORK, replace(HARDWARE, firmware=firmware)) as again:
        assert again.variables.read_bytes() == flash.variables.read_bytes()


def test_firmware_that_is_not_installed_is_named_with_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = Flash(tmp_path / "CODE.fd", tmp_path / "VARS.fd")
    monkeypatch.setattr("haoscar_pxe.rehearse.firmware.PLAIN", nowhere)
    with pytest.raises(MissingToolError, match="uefi-native") as told:
        Machine(tmp_path, NETWORK, replace(HARDWARE, firmware="uefi-native"))
    assert "ovmf" in told.value.hint


def test_a_machine_that_was_never_on_is_off(machine: Machine) -> None:
    assert not machine.is_on
    machine.power_off()
    assert machine.wait_until_off(0.0)
    assert not machine.wait(lambda: False, 60.0)


def test_each_interface_has_a_card_but_only_the_first_boots(tmp_path: Path) -> None:
    hardware = replace(HARDWARE, macs=("52:54:00:00:00:20", "52:54:00:00:00:21"))
    with Machine(tmp_path, NETWORK, hardware) as machine:
        cards = [word for word in machine.argv(stop_at_reset=False) if "virtio-net" in word]
    assert cards == [
        "virtio-net-pci,netdev=net0,mac=52:54:00:00:00:20,addr=0x3",
        "virtio-net-pci,netdev=net1,mac=52:54:00:00:00:21,addr=0x6,romfile=",
    ]


def test_only_the_first_card_is_on_the_rehearsals_wire(tmp_path: Path) -> None:
    run = RecordedRun()
    network = Network("hx-1-1", IPv4Interface("10.77.0.1/24"), run)
    hardware = replace(HARDWARE, macs=("52:54:00:00:00:20", "52:54:00:00:00:21"))
    with Machine(tmp_path, network, hardware):
        up = [words[3:] for words in run.asked if words[-1] == "up"]
    assert up == [
        ["link", "set", "machine0", "master", "br0", "up"],
        ["link", "set", "machine1", "up"],
    ]


def test_a_comma_in_a_folders_name_is_no_option(tmp_path: Path) -> None:
    with Machine(tmp_path / "a,b", NETWORK, HARDWARE) as machine:
        argv = machine.argv(stop_at_reset=False)
    assert f"file={tmp_path}/a,,b/disk.raw,format=raw,if=none,id=disk0,cache=unsafe" in argv
