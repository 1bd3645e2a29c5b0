"""A boot entry for the disk, in an order that the site chose, with nothing of others lost."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from haoscar_pxe.command import Finished
from haoscar_pxe.errors import CommandError, InstallError
from haoscar_pxe.install.efi_boot import GLOBAL, OURS, Variables, find_program, install, set_boot
from haoscar_pxe.install.load_option import OnPartition, decode_order, encode, encode_order
from haoscar_pxe.install.plan import plan
from tests.unit.install.machines import TOTALS, disk, uefi_layout
from tests.unit.install.machines import order as order_for

PLACE = OnPartition(1, 2048, 1048576, "0FC63DAF-8483-4772-8E79-3D69D8477DE4", "\\EFI\\X.EFI")


@pytest.fixture
def variables(tmp_path: Path) -> Variables:
    """A firmware that was just booted by entry 2, the network; entry 0 is its setup."""
    made = Variables(tmp_path)
    for number, called in enumerate(("Setup", "Disk", "PXE")):
        made.write(f"Boot{number:04X}", encode(called, PLACE))
    made.write("BootOrder", encode_order([0, 1, 2]))
    made.write("BootCurrent", encode_order([2]))
    return made


def order(variables: Variables) -> list[int]:
    return decode_order(variables.read("BootOrder"))


def test_network_first_means_the_entry_that_booted_this_machine(variables: Variables) -> None:
    said = set_boot(variables, PLACE, "network")
    assert order(variables) == [2, 3, 0, 1]
    assert variables.entries()[3] == OURS
    assert said == f"boot order 0002 PXE, 0003 {OURS}, 0000 Setup, 0001 Disk"


def test_disk_first_leaves_the_network_for_later(variables: Variables) -> None:
    set_boot(variables, PLACE, "disk")
    assert order(variables) == [3, 0, 1, 2]


def test_an_installation_after_another_leaves_one_entry(variables: Variables) -> None:
    for boot_order in ("network", "disk", "network"):
        set_boot(variables, PLACE, "disk" if boot_order == "disk" else "network")
    assert order(variables) == [2, 3, 0, 1]
    assert list(variables.entries().values()).count(OURS) == 1


def test_a_firmware_that_says_nothing_gets_the_disk(tmp_path: Path) -> None:
    set_boot(Variables(tmp_path), PLACE, "network")
    assert order(Variables(tmp_path)) == [0]


def test_a_variable_is_written_with_its_attributes(tmp_path: Path) -> None:
    Variables(tmp_path).write("BootOrder", b"\1\0")
    assert (tmp_path / f"BootOrder-{GLOBAL}").read_bytes() == b"\7\0\0\0\1\0"


def test_an_entry_that_is_none_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / f"Boot0000-{GLOBAL}").write_bytes(b"\7")
    assert Variables(tmp_path).entries() == {}


@pytest.mark.parametrize(
    ("there", "chosen"),
    [
        (["EFI/debian/shimx64.efi", "EFI/debian/grubx64.efi"], "EFI/debian/shimx64.efi"),
        (["EFI/BOOT/BOOTX64.EFI", "EFI/rocky/SHIMX64.EFI"], "EFI/rocky/SHIMX64.EFI"),
        (["EFI/BOOT/BOOTX64.EFI", "EFI/BOOT/grubx64.efi"], "EFI/BOOT/BOOTX64.EFI"),
        (["efi/boot/bootx64.efi"], "efi/boot/bootx64.efi"),
    ],
)
def test_a_distributions_own_loader_comes_before_the_fallback(
    tmp_path: Path, there: list[str], chosen: str
) -> None:
    for name in there:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert str(find_program(tmp_path)) == chosen


def test_no_loader_at_all_is_refused_with_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(InstallError) as told:
        find_program(tmp_path)
    assert "shim-signed" in told.value.hint


def refused(argv: Sequence[str], *, stdin: bytes = b"", hint: str = "") -> Finished:
    raise CommandError("mount: unknown filesystem type 'efivarfs'", status=32)


def test_a_firmware_that_takes_no_entry_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("haoscar_pxe.install.efi_boot.VARIABLES", tmp_path / "efivars")
    (tmp_path / "efivars").mkdir()
    (tmp_path / "boot/efi/EFI/BOOT").mkdir(parents=True)
    (tmp_path / "boot/efi/EFI/BOOT/BOOTX64.EFI").touch()
    made = plan(uefi_layout(), TOTALS, [disk()], order_for(), "uefi")
    said = install(made, tmp_path, "network", refused)
    assert "the firmware takes no boot entry" in said
    assert "it will look for EFI/BOOT/BOOTX64.EFI" in said
