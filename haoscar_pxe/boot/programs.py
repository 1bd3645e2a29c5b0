"""Which boot program a machine is sent, by what its firmware says of itself.

Sources: RFC 4578 section 2.1 and the IANA registry "Processor Architecture Types" (option 93),
UEFI 2.10 section 24.7 (HTTP boot), https://ipxe.org/howto/chainloading (breaking the loop). Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from haoscar_pxe.boot.configurations import Loader, configuration_name
from haoscar_pxe.boot.firmware_files import (
    BIOS_BOOT_FILE,
    IPXE_FILE,
    UEFI_BOOT_FILE,
)
from haoscar_pxe.nodes.asking import Asker

BIOS: Final = 0
X86_64_UEFI: Final = (7, 9)
"""9 is what the registry says; firmware says 7, which RFC 4578 had for it by an erratum."""
X86_64_UEFI_HTTP: Final = 16
NAMES: Final = {
    **{BIOS: "BIOS", 7: "x86-64 UEFI", 9: "x86-64 UEFI", X86_64_UEFI_HTTP: "x86-64 UEFI HTTP"},
    **{6: "32-bit x86 UEFI", 10: "32-bit ARM UEFI", 11: "arm64 UEFI", 15: "32-bit x86 UEFI HTTP"},
    **{18: "32-bit ARM UEFI HTTP", 19: "arm64 UEFI HTTP"},
}


@dataclass(frozen=True, slots=True)
class Program:
    """What a machine loads first.

    loader: whose configuration decides then. filename: as DHCP says it, "" if there is nothing for
    this machine. needs: the file of the distribution that must be on the server, "" for none.
    reason: why there is nothing.
    """

    loader: Loader
    filename: str = ""
    needs: str = ""
    reason: str = ""


def boot_program(asker: Asker, server_url: str, *, is_proxy: bool = False) -> Program:
    """What the machine that asks is to load first.

    iPXE, wherever it comes from, is given its script at once: sent a boot program, an iPXE that
    was itself loaded as that program would fetch itself for ever. A machine that does not say its
    architecture is a BIOS, or a system that has booted and ignores the boot file.
    is_proxy: another server gives the addresses. GRUB 2.06 then looks for its configuration on that
    server (it reads no proxy's offer), so UEFI gets iPXE, which does.
    """
    is_bios = asker.arch in (None, BIOS)
    if asker.is_ipxe and (is_bios or asker.arch in (*X86_64_UEFI, X86_64_UEFI_HTTP)):
        script = configuration_name(Loader.IPXE, asker.mac)
        return Program(Loader.IPXE, f"{server_url}/boot/{script}")
    if is_bios:
        return Program(Loader.PXELINUX, BIOS_BOOT_FILE, needs=BIOS_BOOT_FILE)
    if asker.arch in X86_64_UEFI and is_proxy:
        return Program(Loader.IPXE, IPXE_FILE, needs=IPXE_FILE)
    if asker.arch in X86_64_UEFI:
        return Program(Loader.GRUB, UEFI_BOOT_FILE, needs=UEFI_BOOT_FILE)
    if asker.arch == X86_64_UEFI_HTTP:
        url = f"{server_url}/boot/firmware/{IPXE_FILE}"
        return Program(Loader.IPXE, url, needs=IPXE_FILE)
    what = NAMES.get(asker.arch or 0, "unknown to this server")
    reason = f"no boot program is served for client architecture {asker.arch} ({what})"
    return Program(Loader.GRUB, reason=reason)
