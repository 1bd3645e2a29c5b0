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
from dataclasses import dataclass
from pathlib import Path

from haoscar_pxe import command
from haoscar_pxe.capture.remote.ssh import Ssh
from haoscar_pxe.command import run
from haoscar_pxe.errors import HaoscarError
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


@dataclass(frozen=True, slots=True)
class LiveHead:
    """A head that runs. process: its QEMU."""

    ssh: Ssh
    process: subprocess.Popen[bytes]

    @property
    def is_on(self) -> bool:
        """Whether it runs."""
        return self.process.poll() is None

    def pull_the_plug(self) -> None:
        """It is gone, without a word to anybody."""
        self.process.kill()
        self.process.wait()


@contextmanager
def live_head(tree: Path, folder: Path, network: Network, accelerator: str) -> Iterator[LiveHead]:
    """Make the disk of the tree, switch the machine on, wait until its sshd answers."""
    ssh = _make_disk(tree, folder)
    kernel = next((tree / "boot").glob("vmlinuz-*"))
    initrd = next((tree / "boot").glob("initrd.img-*"))
    tap = network.add_tap("live0")
    argv = [
        *("qemu-system-x86_64", "-nodefaults", "-display", "none", "-machine", "pc"),
        *("-accel", accelerator, "-cpu", "max", "-smp", "2", "-m", "1024"),
        *("-kernel", str(kernel), "-initrd", str(initrd)),
        *("-append", f"root=UUID={ROOT_UUID} rw console=ttyS0 quiet"),
        *("-serial", f"file:{folder / 'console.log'}", "-device", "virtio-rng-pci"),
        *("-drive", f"file={folder / 'disk.raw'},format=raw,if=none,id=d0,cache=unsafe"),
        *("-device", "virtio-blk-pci,drive=d0,addr=0x4"),
        *("-netdev", f"tap,id=n0,ifname={tap},script=no,downscript=no"),
        *("-device", f"virtio-net-pci,netdev=n0,mac={MAC},addr=0x3,romfile="),
    ]
    process = command.start(network.command(argv), folder / "qemu.log")
    try:
        with network.inside():
            _await_sshd(ssh, process, folder)
            yield LiveHead(ssh, process)
    finally:
        process.kill()
        process.wait()
        network.remove_tap(tap)


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


def _await_sshd(ssh: Ssh, process: subprocess.Popen[bytes], folder: Path) -> None:
    deadline = time.monotonic() + 240
    while True:
        try:
            ssh.run("true", run)
            return
        except HaoscarError as error:
            last = error
        said = (folder / "console.log").read_text(errors="replace")[-2000:]
        assert process.poll() is None, (folder / "qemu.log").read_text()
        assert time.monotonic() < deadline, f"{last}\n{said}"
        time.sleep(1)
