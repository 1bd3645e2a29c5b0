"""What each firmware loads first."""

from __future__ import annotations

import pytest

from haoscar_pxe.boot.programs import boot_program
from haoscar_pxe.nodes.asking import Asker

MAC = "52:54:00:00:00:20"
URL = "http://10.77.0.1:8069"
SCRIPT = f"{URL}/boot/ipxe/01-52-54-00-00-00-20"
SNPONLY = f"{URL}/boot/firmware/snponly.efi"


@pytest.mark.parametrize(
    ("arch", "is_ipxe", "filename"),
    [
        (None, False, "lpxelinux.0"),
        (0, False, "lpxelinux.0"),
        (7, False, "shimx64.efi"),
        (9, False, "shimx64.efi"),
        (16, False, SNPONLY),
        (0, True, SCRIPT),
        (7, True, SCRIPT),
        (9, True, SCRIPT),
        (16, True, SCRIPT),
    ],
)
def test_each_firmware_gets_its_own_program_and_ipxe_its_script(
    arch: int | None, is_ipxe: bool, filename: str
) -> None:
    assert boot_program(Asker(mac=MAC, arch=arch, is_ipxe=is_ipxe), URL).filename == filename


@pytest.mark.parametrize("is_ipxe", [False, True])
@pytest.mark.parametrize(
    ("arch", "word"), [(11, "arm64 UEFI"), (19, "arm64 UEFI HTTP"), (6, "32-bit"), (99, "unknown")]
)
def test_a_processor_that_no_image_is_for_gets_nothing_and_the_reason(
    arch: int, word: str, is_ipxe: bool
) -> None:
    program = boot_program(Asker(mac=MAC, arch=arch, is_ipxe=is_ipxe), URL)
    assert program.filename == ""
    assert f"architecture {arch}" in program.reason
    assert word in program.reason


def test_beside_another_dhcp_server_uefi_gets_ipxe_by_tftp() -> None:
    for arch, filename in ((7, "snponly.efi"), (0, "lpxelinux.0"), (16, SNPONLY)):
        assert boot_program(Asker(mac=MAC, arch=arch), URL, is_proxy=True).filename == filename
    asked_again = Asker(mac=MAC, arch=7, is_ipxe=True)
    assert boot_program(asked_again, URL, is_proxy=True).filename == SCRIPT
