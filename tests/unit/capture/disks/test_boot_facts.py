"""The kernel and the boot loader are those of the tree, not of the machine that captures it."""

from __future__ import annotations

from pathlib import Path

from haoscar_pxe.capture.disks.boot_facts import Running, boot_facts, firmware_of, kernel_releases


def add_kernel(root: Path, release: str, modules: str = "usr/lib/modules") -> None:
    (root / modules / release).mkdir(parents=True)
    (root / "boot").mkdir(exist_ok=True)
    (root / "boot" / f"vmlinuz-{release}").touch()


def add_grub(root: Path, mkimage: str = "usr/bin/grub-mkimage") -> None:
    (root / mkimage).parent.mkdir(parents=True, exist_ok=True)
    (root / mkimage).touch()
    (root / "usr/lib/grub/i386-pc").mkdir(parents=True)


def test_newest_kernel_of_a_tree_is_chosen_by_its_numbers(tmp_path: Path) -> None:
    for release in ("6.1.0-9-amd64", "6.1.0-50-amd64", "5.10.0-99-amd64"):
        add_kernel(tmp_path, release)
    assert boot_facts(tmp_path, None).kernel_release == "6.1.0-50-amd64"


def test_running_kernel_is_chosen_if_the_tree_has_it(tmp_path: Path) -> None:
    for release in ("6.1.0-9-amd64", "6.1.0-50-amd64"):
        add_kernel(tmp_path, release)
    running = Running("6.1.0-9-amd64", "bios")
    assert boot_facts(tmp_path, running).kernel_release == "6.1.0-9-amd64"
    gone = Running("6.1.0-8-amd64", "bios")
    assert boot_facts(tmp_path, gone).kernel_release == "6.1.0-50-amd64"


def test_modules_without_a_kernel_do_not_count(tmp_path: Path) -> None:
    add_kernel(tmp_path, "6.1.0-9-amd64", "lib/modules")
    (tmp_path / "lib/modules/6.1.0-50-amd64").mkdir()
    assert kernel_releases(tmp_path) == ["6.1.0-9-amd64"]


def test_tree_without_a_kernel_has_none(tmp_path: Path) -> None:
    assert boot_facts(tmp_path, None).kernel_release == ""


def test_grub_is_found_by_its_tools_under_both_names(tmp_path: Path) -> None:
    for name, place in (("debian", "usr/bin/grub-mkimage"), ("rocky", "usr/bin/grub2-mkimage")):
        (tmp_path / name).mkdir()
        add_grub(tmp_path / name, place)
        assert boot_facts(tmp_path / name, None).loader == "grub"


def test_grub_of_the_other_firmware_is_none(tmp_path: Path) -> None:
    add_grub(tmp_path)
    assert boot_facts(tmp_path, Running("6", "uefi")).loader == "none"
    grub = tmp_path / "boot/efi/EFI/debian/GRUBX64.EFI"
    grub.parent.mkdir(parents=True)
    grub.touch()
    assert boot_facts(tmp_path, Running("6", "uefi")).loader == "grub"


def test_a_tree_is_for_uefi_only_if_it_has_nothing_for_a_bios(tmp_path: Path) -> None:
    signed = tmp_path / "usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed"
    signed.parent.mkdir(parents=True)
    signed.touch()
    facts = boot_facts(tmp_path, None)
    assert (facts.firmware, facts.loader) == ("uefi", "grub")
    add_grub(tmp_path)
    assert boot_facts(tmp_path, None).firmware == "bios"


def test_systemd_boot_is_named(tmp_path: Path) -> None:
    place = tmp_path / "boot/efi/EFI/systemd/systemd-bootx64.efi"
    place.parent.mkdir(parents=True)
    place.touch()
    assert boot_facts(tmp_path, Running("6", "uefi")).loader == "systemd-boot"


def test_firmware_is_told_by_sysfs(tmp_path: Path) -> None:
    assert firmware_of(tmp_path) == "bios"
    (tmp_path / "firmware/efi").mkdir(parents=True)
    assert firmware_of(tmp_path) == "uefi"
