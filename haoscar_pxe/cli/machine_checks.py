"""The checks of `doctor` that look at this machine: programs, repository, keys, clock, QEMU."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from haoscar_pxe.boot.firmware_files import FIRMWARE_SETS, firmware_files
from haoscar_pxe.cli.check import Check
from haoscar_pxe.cli.site import Site
from haoscar_pxe.errors import HaoscarError
from haoscar_pxe.image.signing_keys import SIGNING_KEY
from haoscar_pxe.rehearse.accelerator import KVM, QEMU, accelerator

GIB: Final = 1 << 30
LITTLE_SPACE_BYTES: Final = 10 * GIB
EARLIEST_S: Final = datetime(2025, 1, 1, tzinfo=UTC).timestamp()
"""Before this program was written: the clock of a machine whose battery is dead."""
CARD_ROM: Final = Path("/usr/lib/ipxe/qemu/pxe-virtio.rom")


@dataclass(frozen=True, slots=True)
class Program:
    """A program of another package. purpose: what fails without it."""

    name: str
    package: str
    purpose: str


NEEDED: Final = (
    Program("ip", "iproute2", "looking at interfaces"),
    Program("sfdisk", "fdisk", "captures and installs"),
    Program("blkid", "util-linux", "captures and installs"),
    Program("mkswap", "util-linux", "installs"),
    Program("mke2fs", "e2fsprogs", "installs"),
    Program("dumpe2fs", "e2fsprogs", "captures of a running head"),
    Program("busybox", "busybox-static", "installs and rehearsals"),
)
OPTIONAL: Final = (
    Program("mkfs.vfat", "dosfstools", "images with an EFI system partition"),
    Program("ssh", "openssh-client", "captures of another machine"),
    Program("nft", "nftables", "failover, on both heads"),
    Program(QEMU, "qemu-system-x86 qemu-utils ipxe-qemu seabios ovmf", "rehearsals and the demo"),
    Program("mcopy", "mtools", "rehearsals of images that boot by UEFI"),
    Program("debootstrap", "debootstrap", "the demo"),
)


def program_checks() -> Iterator[Check]:
    """One for what is needed, one for each optional program that is missing, one for boot files."""
    missing = [program for program in NEEDED if shutil.which(program.name) is None]
    if missing:
        names = ", ".join(f"{each.name} ({each.purpose})" for each in missing)
        packages = " ".join(sorted({each.package for each in missing}))
        yield Check("programs", "failed", f"missing: {names}", f"apt install {packages}")
    else:
        yield Check("programs", "ok", ", ".join(program.name for program in NEEDED))
    for program in OPTIONAL:
        if shutil.which(program.name) is None:
            found = f"{program.name} is missing, which {program.purpose} need"
            yield Check("programs", "warning", found, f"apt install {program.package}")
    yield from _boot_programs()


def _boot_programs() -> Iterator[Check]:
    """One for what is here, and one for each kind of firmware that could not be booted."""
    try:
        found = firmware_files()
    except HaoscarError as error:
        yield Check("boot programs", "failed", str(error), error.hint)
        return
    yield Check("boot programs", "ok", ", ".join(str(path) for path in found.values()))
    for each in FIRMWARE_SETS:
        if missing := each.missing():
            what = f"no {', '.join(missing)}: machines with {each.firmware} cannot boot"
            yield Check("boot programs", "warning", what, each.hint)


def repository_check(site: Site) -> Check:
    """Whether there is a repository, this user may write to it, and it has room."""
    path = Path(site.config.paths.repository)
    try:
        images = site.repository.images()
    except HaoscarError as error:
        return Check("repository", "failed", str(error), error.hint)
    status = os.statvfs(path)
    free_bytes = status.f_bavail * status.f_frsize
    found = f"{path}: {len(images)} images, {free_bytes / GIB:.1f} GiB free"
    if not os.access(path, os.W_OK):
        return Check("repository", "failed", f"{found}; it is not writable", "run as root")
    if free_bytes < LITTLE_SPACE_BYTES:
        hint = f"make room, or move paths.repository to another disk (in {site.path})"
        return Check("repository", "warning", found, hint)
    return Check("repository", "ok", found)


def key_check(site: Site) -> Check:
    """Whether captures can be signed, by a key that installs trust, and nobody else can read it."""
    try:
        signer, trusted = site.signer, site.trusted
    except HaoscarError as error:
        return Check("keys", "failed", str(error), error.hint)
    key_id = signer.public.key_id
    path = Path(site.config.paths.keys, SIGNING_KEY)
    if key_id not in trusted.keys:
        found = f"the public half of {path} is not among the trusted keys, so nothing would install"
        return Check("keys", "failed", found, "'haoscar-pxe init' in a new folder shows the pair")
    if path.stat().st_mode & 0o077:
        return Check("keys", "warning", f"others may read {path}", f"chmod 600 {path}")
    return Check("keys", "ok", f"{key_id.hex()[:12]}, one of {len(trusted.keys)} trusted")


def clock_check(site: Site, now_s: float | None = None) -> Check:
    """Whether the clock can be right: after this program was written, and after every capture."""
    now = time.time() if now_s is None else now_s
    shown = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d %H:%M UTC")
    if now < EARLIEST_S:
        return Check("clock", "failed", f"it says {shown}", "timedatectl set-ntp true")
    try:
        newest_ns = max(_captured_ns(site), default=0)
    except HaoscarError as error:
        return Check("clock", "warning", f"{shown}; an image cannot be read: {error}", error.hint)
    if newest_ns > now * 1e9:
        hint = "timedatectl set-ntp true, here and on the primary"
        return Check("clock", "warning", f"{shown}, but an image is from the future", hint)
    return Check("clock", "ok", shown)


def _captured_ns(site: Site) -> Iterator[int]:
    for image in site.repository.images():
        yield site.repository.manifest(image, None, site.trusted).created_ns


def accelerator_check(site: Site) -> Check:
    """How fast rehearsals would be here, found out by starting a kernel of this machine's own."""
    if shutil.which(QEMU) is None:
        return Check("emulation", "warning", "no QEMU, so no rehearsal")
    if not CARD_ROM.exists():
        found = f"QEMU's network cards have no boot ROM ({CARD_ROM})"
        return Check("emulation", "warning", found, "apt install ipxe-qemu seabios")
    kernel = next(iter(sorted(Path("/boot").glob("vmlinuz-*"), reverse=True)), None)
    if kernel is None:
        device = "is there" if Path("/dev/kvm").exists() else "is not there"
        return Check("emulation", "ok", f"/dev/kvm {device}; the first rehearsal tries it")
    if accelerator(kernel, Path(site.config.paths.state)) == KVM:
        return Check("emulation", "ok", "KVM works: rehearsals take half a minute")
    return Check("emulation", "ok", "KVM does not work here: rehearsals take some minutes")
