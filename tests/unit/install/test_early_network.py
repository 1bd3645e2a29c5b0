"""The interface that network-booted is found, or what there is instead is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from haoscar_pxe.errors import InstallError
from haoscar_pxe.install.early_network import (
    CARRIER_TIMEOUT_S,
    Nic,
    driverless,
    nics,
    wait_for_carrier,
    wait_for_nic,
)
from tests.unit.install.stepped_clock import SteppedClock

MAC = "52:54:00:ab:cd:ef"


def nic(sysfs: Path, name: str, mac: str, driver: str = "", carrier: str = "1") -> Path:
    """An interface as sysfs shows it."""
    folder = sysfs / "class/net" / name
    folder.mkdir(parents=True)
    (folder / "address").write_text(f"{mac}\n")
    (folder / "carrier").write_text(f"{carrier}\n")
    if driver:
        (folder / "device").mkdir()
        (folder / "device/driver").symlink_to(f"../../../../bus/pci/drivers/{driver}")
    return folder


def pci(sysfs: Path, name: str, class_code: str, driver: str = "") -> None:
    """A PCI device as sysfs shows it."""
    folder = sysfs / "bus/pci/devices" / name
    folder.mkdir(parents=True)
    for attribute, value in (("class", class_code), ("vendor", "0x8086"), ("device", "0x15b8")):
        (folder / attribute).write_text(f"{value}\n")
    if driver:
        (folder / "driver").symlink_to(f"../../drivers/{driver}")


def test_the_interface_with_the_mac_is_found_among_others(tmp_path: Path) -> None:
    nic(tmp_path, "lo", "00:00:00:00:00:00")
    nic(tmp_path, "eno1", "52:54:00:00:00:01", "igb")
    nic(tmp_path, "eno2", MAC, "virtio_net")
    found = wait_for_nic(MAC.upper(), clock=SteppedClock(), sysfs=tmp_path)
    assert found == Nic("eno2", MAC, "virtio_net")


def test_an_interface_that_comes_late_is_waited_for(tmp_path: Path) -> None:
    (tmp_path / "class/net").mkdir(parents=True)

    class Late(SteppedClock):
        def sleep(self, seconds: float) -> None:
            super().sleep(seconds)
            if self.now > 1010 and not list((tmp_path / "class/net").iterdir()):
                nic(tmp_path, "eth0", MAC)

    assert wait_for_nic(MAC, clock=Late(), sysfs=tmp_path).name == "eth0"


def test_an_interface_that_never_comes_is_answered_with_those_there_are(tmp_path: Path) -> None:
    nic(tmp_path, "lo", "00:00:00:00:00:00")
    nic(tmp_path, "eno1", "52:54:00:00:00:01", "igb")
    pci(tmp_path, "0000:00:1f.6", "0x020000")
    pci(tmp_path, "0000:00:02.0", "0x030000")
    pci(tmp_path, "0000:00:03.0", "0x020000", "igb")
    with pytest.raises(InstallError) as caught:
        wait_for_nic(MAC, clock=SteppedClock(), sysfs=tmp_path)
    assert MAC in str(caught.value)
    assert "this machine has: eno1 52:54:00:00:00:01 (igb)" in str(caught.value)
    assert "without a driver: 8086:15b8" in str(caught.value)


def test_a_machine_without_any_interface_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "class/net").mkdir(parents=True)
    with pytest.raises(InstallError, match=r"this machine has: none$"):
        wait_for_nic(MAC, clock=SteppedClock(), sysfs=tmp_path)


def test_only_network_controllers_without_a_driver_count(tmp_path: Path) -> None:
    pci(tmp_path, "0000:00:02.0", "0x030000")
    pci(tmp_path, "0000:00:03.0", "0x020000", "igb")
    assert driverless(tmp_path) == []
    pci(tmp_path, "0000:00:04.0", "0x028000")
    assert driverless(tmp_path) == ["8086:15b8"]


def test_a_cable_that_is_not_plugged_in_is_said_with_the_interface(tmp_path: Path) -> None:
    nic(tmp_path, "eno1", MAC, "igb", carrier="0")
    clock = SteppedClock()
    with pytest.raises(InstallError, match=r"eno1 .* \(igb\) has no link after 60 s") as caught:
        wait_for_carrier(nics(tmp_path)[0], clock=clock, sysfs=tmp_path)
    assert clock.now >= 1000 + CARRIER_TIMEOUT_S
    assert "cable" in caught.value.hint
