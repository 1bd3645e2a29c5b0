"""A running head to capture: the demo's tree on a GPT disk, booted, reachable by ssh.

folder/disk.raw      GPT: BIOS boot, /boot, swap, /
folder/console.log   what the machine said
folder/id, id.pub    the key that its root accepts; known_hosts has its own
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from haoscar_pxe import command
from haoscar_pxe.capture.remote.ssh import Ssh
from haoscar_pxe.command import run
from haoscar_pxe.errors import HaoscarError, RehearsalError
from haoscar_pxe.rehearse.accelerator import QEMU
from haoscar_pxe.rehearse.head import ADDRESS
from haoscar_pxe.rehearse.network import Network

MIB = 1 << 20
ROOT_UUID = "6d0a3f52-58f3-4c0e-9b1e-5f3a6a3b9c01"
BOOT_UUID = "0f9a1a7c-20a4-4b5c-8a55-0d2a8a4f4c02"
SWAP_UUID = "c2c0f4de-5f0e-4b0f-9c0e-7a9f3f9d0c03"
DISK_ID = "3B1E9A54-7D0C-4B52-9F0B-2C1B7A6E5D04"
FSTAB = f"""\
UUID={ROOT_UUID} / ext4 errors=remount-ro 0 1
UUID={BOOT_UUID} /boot ext4 defaults 0 2
UUID={SWAP_UUID} none swap sw 0 0
"""
TABLE = f"""\
label: gpt
label-id: {DISK_ID}
start=1MiB, size=1MiB, type=21686148-6449-6E6F-744E-656564454649
start=2MiB, size=200MiB, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4, name="boot"
start=202MiB, size=128MiB, type=0657FD6D-A4AB-43C4-84E5-0933C84B4F4F
start=330MiB, size=2048MiB, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4, name="root"
"""
BOOT_AT, SWAP_AT, ROOT_AT = 2 * MIB, 202 * MIB, 330 * MIB
HOST = ADDRESS.partition("/")[0]
MAC = "52:54:00:77:00:10"
BOOTS_WITHIN_S = 240.0


class LiveHead:
    """A head that can be switched on and off on the same disk. Its network must outlive it."""

    def __init__(self, tree: Path, folder: Path, network: Network, accelerator: str) -> None:
        """Make the disk of the tree. tap: the name of its wire, until `remove`."""
        self.ssh = _make_disk(tree, folder)
        self._folder = folder
        self._network = network
        self._tap = network.add_tap("live0")
        kernel = next((tree / "boot").glob("vmlinuz-*"))
        initrd = next((tree / "boot").glob("initrd.img-*"))
        self._argv = [
            *(QEMU, "-nodefaults", "-display", "none", "-machine", "pc"),
            *("-accel", accelerator, "-cpu", "max", "-smp", "2", "-m", "1024"),
            *("-kernel", str(kernel), "-initrd", str(initrd)),
            *("-append", f"root=UUID={ROOT_UUID} rw console=ttyS0 quiet"),
            *("-serial", f"file:{folder / 'console.log'}", "-device", "virtio-rng-pci"),
            *("-drive", f"file={folder / 'disk.raw'},format=raw,if=none,id=d0,cache=unsafe"),
            *("-device", "virtio-blk-pci,drive=d0,addr=0x4"),
            *("-netdev", f"tap,id=n0,ifname={self._tap},script=no,downscript=no"),
            *("-device", f"virtio-net-pci,netdev=n0,mac={MAC},addr=0x3,romfile="),
        ]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def is_on(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    def power_on(self) -> None:
        """Switch it on, and wait until its sshd answers; this thread must be in its network."""
        self._process = command.start(self._network.command(self._argv), self._folder / "qemu.log")
        self._await_sshd()

    def pull_the_plug(self) -> None:
        """It is gone, without a word to anybody."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def remove(self) -> None:
        """Off, and its wire is gone."""
        self.pull_the_plug()
        self._network.remove_tap(self._tap)

    def _await_sshd(self) -> None:
        deadline = time.monotonic() + BOOTS_WITHIN_S
        while True:
            try:
                self.ssh.run("true", run)
                return
            except HaoscarError as error:
                last = error
            said = (self._folder / "console.log").read_text(errors="replace")[-2000:]
            if not self.is_on or time.monotonic() > deadline:
                words = (self._folder / "qemu.log").read_text(errors="replace")
                raise RehearsalError(f"the head does not come up: {last}\n{words}\n{said}")
            time.sleep(1)


@contextmanager
def live_head(tree: Path, folder: Path, network: Network, accelerator: str) -> Iterator[LiveHead]:
    """A head that runs, for the time of the block, which is in its network."""
    head = LiveHead(tree, folder, network, accelerator)
    try:
        with network.inside():
            head.power_on()
            yield head
    finally:
        head.remove()


def _make_disk(tree: Path, folder: Path) -> Ssh:
    disk, key = folder / "disk.raw", folder / "id"
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)])
    run(["truncate", "-s", "2400M", str(disk)])
    run(["sfdisk", "--quiet", str(disk)], stdin=TABLE.encode())
    _file_system(disk, BOOT_AT, 200, BOOT_UUID, tree / "boot")
    _file_system(disk, ROOT_AT, 2048, ROOT_UUID, tree)
    swap = folder / "swap"
    run(["truncate", "-s", "128M", str(swap)])
    run(["mkswap", "--quiet", "--uuid", SWAP_UUID, str(swap)])
    dd = [
        "dd",
        f"if={swap}",
        f"of={disk}",
        "bs=1M",
        f"seek={SWAP_AT // MIB}",
        "conv=notrunc,sparse",
    ]
    run(dd)
    mount = folder / "mnt"
    mount.mkdir()
    run(["mount", "-o", f"loop,offset={ROOT_AT},sizelimit={2048 * MIB}", str(disk), str(mount)])
    try:
        (mount / "etc/fstab").write_text(FSTAB)
        (mount / "root/.ssh").mkdir(mode=0o700, exist_ok=True)
        (mount / "root/.ssh/authorized_keys").write_text(key.with_suffix(".pub").read_text())
        for file in (mount / "boot").iterdir():
            file.unlink()
        host_key = (mount / "etc/ssh/ssh_host_ed25519_key.pub").read_text()
    finally:
        run(["umount", str(mount)])
    (folder / "known_hosts").write_text(f"{HOST} {host_key}")
    options = (
        f"IdentityFile={key}",
        f"UserKnownHostsFile={folder / 'known_hosts'}",
        *("ServerAliveInterval=1", "ServerAliveCountMax=3", "IdentitiesOnly=yes"),
    )
    return Ssh(f"root@{HOST}", options)


def _file_system(disk: Path, at: int, size_mib: int, uuid: str, tree: Path) -> None:
    mke2fs = ["mke2fs", "-q", "-F", "-t", "ext4", "-U", uuid, "-d", str(tree)]
    run([*mke2fs, "-E", f"offset={at}", str(disk), f"{size_mib}M"])
