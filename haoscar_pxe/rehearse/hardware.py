"""What a rehearsal's machine is made of, and QEMU's words for its parts.

The network cards are those whose boot ROMs come with QEMU, less rtl8139 and vmxnet3: lpxelinux was
seen to load a kernel over them at 70 to 120 kB/s, because they lose part of each burst.
The disks are what SeaBIOS boots from and what heads have: the names that Linux gives them
(/dev/vda, /dev/sda, /dev/nvme0n1) differ, and so do the drivers that the image's initrd needs.

Each part has its PCI slot, the first network card slot 3, so that systemd names it ens3 in every
machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, assert_never

from haoscar_pxe.rehearse.firmware import MachineFirmware

Nic: TypeAlias = Literal["virtio", "e1000", "e1000e"]
DiskBus: TypeAlias = Literal["virtio", "scsi", "sata", "nvme"]

FIRST_CARD_SLOT: Final = 3
DISK_SLOT: Final = "0x4"
RANDOM_SLOT: Final = "0x5"
MORE_CARDS_SLOT: Final = 6
DISK_SERIAL: Final = "rehearsal"
MIB: Final = 1024 * 1024
GIB: Final = 1024 * MIB


@dataclass(frozen=True, slots=True)
class Hardware:
    """What the machine is made of.

    macs: one for each network card, lower case with colons; it network-boots from the first.
    accelerator: QEMU's -accel.
    """

    macs: tuple[str, ...]
    accelerator: str
    disk_bytes: int = 4 * GIB
    memory_mib: int = 1536
    processors: int = 2
    firmware: MachineFirmware = "bios"
    nic: Nic = "virtio"
    disk_bus: DiskBus = "virtio"

    def describe(self) -> str:
        """In one line, for people.

        >>> Hardware(macs=("52:54:00:00:00:20",), accelerator="tcg", nic="e1000").describe()
        '2 processors (tcg), 1536 MiB of memory, bios, e1000 network, a blank virtio disk of 4 GiB'
        """
        processors = f"{self.processors} processor{'' if self.processors == 1 else 's'}"
        return (
            f"{processors} ({self.accelerator}), {self.memory_mib} MiB of memory, {self.firmware}, "
            f"{self.nic} network, a blank {self.disk_bus} disk of {self.disk_bytes / GIB:.3g} GiB"
        )


def card(number: int, tap: str, mac: str, nic: Nic, *, has_rom: bool = True) -> list[str]:
    """A network card; only the first has a boot ROM, and that only if has_rom."""
    model = "virtio-net-pci" if nic == "virtio" else nic
    device = f"{model},netdev=net{number},mac={mac}"
    if number == 0:
        device += f",addr={FIRST_CARD_SLOT:#x}" + ("" if has_rom else ",romfile=")
    else:
        device += f",addr={MORE_CARDS_SLOT + number - 1:#x},romfile="
    netdev = f"tap,id=net{number},ifname={tap},script=no,downscript=no"
    return ["-netdev", netdev, "-device", device]


def disk(drive: str, bus: DiskBus) -> list[str]:
    """The disk that shows what QEMU calls `drive`, and the controller it needs."""
    at, shown = f"addr={DISK_SLOT}", f"drive={drive},serial={DISK_SERIAL}"
    match bus:
        case "virtio":
            return ["-device", f"virtio-blk-pci,{shown},{at}"]
        case "scsi":
            return ["-device", f"virtio-scsi-pci,id=scsi0,{at}", "-device", f"scsi-hd,{shown}"]
        case "sata":
            # By its bus: the board has an IDE controller of its own, which comes first.
            return ["-device", f"ahci,id=sata0,{at}", "-device", f"ide-hd,{shown},bus=sata0.0"]
        case "nvme":
            return ["-device", f"nvme,{shown},{at}"]
        case _:
            assert_never(bus)
