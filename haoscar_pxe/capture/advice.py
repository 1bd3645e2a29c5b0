"""What is worth changing on the head before the standby has to stand in for it.

Pure functions from the tree's own files and the layout to warnings; each names the file, what in
it will hurt, and the way out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from haoscar_pxe.capture.disks.boot_facts import Running
from haoscar_pxe.capture.disks.fstab import FstabLine
from haoscar_pxe.capture.disks.initrd import Tailored
from haoscar_pxe.capture.scope.belonging import Decision
from haoscar_pxe.capture.warning import CaptureWarning
from haoscar_pxe.image.layout import DiskLayout, FileSystem, Swap

_NO_DEVICE_KINDS: Final = frozenset({"tmpfs", "proc", "sysfs", "devpts", "none", "overlay"})
_STABLE: Final = ("/dev/disk/", "/dev/mapper/", "/dev/md/", "/dev/zvol/")


@dataclass(frozen=True, slots=True)
class Adviser:
    """What the advice is drawn from.

    running: None for a tree in which nothing runs. initrd: None if the head's own fits other
    hardware too.
    """

    layout: DiskLayout
    fstab: Sequence[FstabLine]
    decisions: Sequence[Decision]
    running: Running | None
    initrd: Tailored | None = None

    def warnings(self) -> list[CaptureWarning]:
        """Everything there is to warn of."""
        return [
            *self._device_names(),
            *self._missing_sources(),
            *self._root_line(),
            *self._left_out_mounts(),
            *self._kernel(),
            *self._initrd(),
            *self._loader(),
        ]

    def _device_names(self) -> Iterator[CaptureWarning]:
        for line in self.fstab:
            is_named = line.source.startswith("/dev/") and not line.source.startswith(_STABLE)
            # Debian writes a noauto line for the CD drive, which may well have another name.
            if is_named and "noauto" not in line.options:
                yield CaptureWarning(
                    f"/etc/fstab names {line.source} for {line.mount_point}: the standby's disks "
                    "may have other names",
                    f"write UUID=… instead; 'blkid {line.source}' prints it",
                )

    def _missing_sources(self) -> Iterator[CaptureWarning]:
        """A boot waits 90 s for each file system of fstab that the clone's disks do not have."""
        known = set(_tags(self.layout))
        for line in self.fstab:
            if line.tag and line.is_awaited and _folded(line.tag) not in known:
                yield CaptureWarning(
                    f"/etc/fstab wants {line.source} for {line.mount_point}, which is not in the "
                    "captured disk layout: the standby's boot will wait for it",
                    "add the option nofail to the line, or give a layout that has it (--layout)",
                )

    def _root_line(self) -> Iterator[CaptureWarning]:
        """The default layout's own file systems are written into the standby's fstab."""
        if not self.layout.is_default and not any(line.mount_point == "/" for line in self.fstab):
            yield CaptureWarning(
                "/etc/fstab has no line for /: the standby's root may stay read-only",
                "add one, such as 'UUID=… / ext4 defaults 0 1'",
            )

    def _left_out_mounts(self) -> Iterator[CaptureWarning]:
        """Network file systems are as reachable for the standby, so only local ones are told."""
        places = {line.mount_point: line for line in self.fstab if line.is_awaited}
        for decision in self.decisions:
            place = decision.mount.mount_point.decode("utf-8", "surrogateescape")
            line = places.get(place)
            local = not decision.may_hang and line and line.kind not in _NO_DEVICE_KINDS
            if not decision.belongs and local:
                yield CaptureWarning(
                    f"{place} is in /etc/fstab but not captured: {decision.reason}",
                    "add the option nofail to its line, so that the standby boots without it",
                )

    def _kernel(self) -> Iterator[CaptureWarning]:
        release = self.layout.boot.kernel_release
        if not release:
            yield CaptureWarning(
                "the tree has no kernel with its modules (/boot/vmlinuz-RELEASE and "
                "/lib/modules/RELEASE): nothing can be network-booted from this image",
                "install the distribution's kernel package in it and capture again",
            )
        elif self.running and self.running.kernel_release != release:
            yield CaptureWarning(
                f"the running kernel {self.running.kernel_release} is not in the image; the "
                f"standby boots {release}, which has not run on this head",
                "restart the head with its newest kernel and capture again",
            )

    def _initrd(self) -> Iterator[CaptureWarning]:
        if self.initrd:
            yield CaptureWarning(
                f"the head's initrd has drivers for its own hardware only ({self.initrd.setting} "
                f"in /{self.initrd.file}): a standby with another disk controller does not boot",
                f"{self.initrd.remedy}, then capture again",
            )

    def _loader(self) -> Iterator[CaptureWarning]:
        boot = self.layout.boot
        if boot.loader == "none":
            package = "grub-pc-bin" if boot.firmware == "bios" else "grub-efi-amd64-bin"
            yield CaptureWarning(
                f"the tree has no GRUB tools for {boot.firmware}: the standby's disk cannot be "
                "made bootable",
                f"install grub2-common and {package} (Debian's names) in it and capture again",
            )


def _tags(layout: DiskLayout) -> Iterator[tuple[str, str]]:
    """Every tag by which fstab may name something of the layout."""
    for disk in layout.disks:
        for partition in disk.partitions:
            content = partition.content
            if isinstance(content, FileSystem | Swap):
                yield _folded(("UUID", content.uuid))
                yield _folded(("LABEL", content.label))
            signature = disk.table_id.removeprefix("0x")
            mbr_name = f"{signature}-{partition.number:02x}"
            yield _folded(("PARTUUID", partition.uuid or mbr_name))
            yield _folded(("PARTLABEL", partition.name))


def _folded(tag: tuple[str, str]) -> tuple[str, str]:
    """UUIDs are compared without regard to case, as libblkid does."""
    name, value = tag
    return (name, value.lower()) if name.endswith("UUID") else tag
