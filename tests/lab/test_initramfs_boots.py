"""The initramfs in a real machine: from the kernel to the agent, and what happens when it ends."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread

import pytest

from haoscar_pxe.boot.artifacts import BootArtifacts, prepare
from haoscar_pxe.boot.bundle import build_bundle
from haoscar_pxe.image.signing import SigningKey, TrustedKeys
from tests.lab.debian_kernel import debian_kernel
from tests.needed import need
from tests.unit.boot.kernel_tree import manifest

MAC = "52:54:00:12:34:56"
SERVER = "10.0.2.100"
"""QEMU forwards what the guest sends there to REFUSAL, and nothing else to anywhere."""
REFUSAL = "no order: this machine is not armed"
WITHIN_S = 120.0
"""Bounds a broken machine, on a processor that others use too; 5 s is what it takes alone."""
INITRAMFS_MAX_BYTES = 25 << 20

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module", autouse=True)
def peers() -> None:
    need("qemu-system-x86_64", "apt-get", "dpkg-deb", "busybox", root=False)


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> BootArtifacts:
    work = tmp_path_factory.mktemp("boot")
    release, files = debian_kernel(work)
    trusted = TrustedKeys.of(SigningKey.generate().public)
    bundle = build_bundle(work / "bundles")
    return prepare(manifest(release=release), files, bundle, work / "artifacts", trusted)


@dataclass(frozen=True, slots=True)
class Booting:
    """A machine that is running. said: its console's lines as they come, None at their end."""

    process: subprocess.Popen[bytes]
    said: SimpleQueue[str | None]

    def wait_for(self, text: str) -> str:
        """The console up to the line that holds text; fails with all of it after WITHIN_S."""
        lines: list[str] = []
        deadline = time.monotonic() + WITHIN_S
        while not lines or text not in lines[-1]:
            line = self._next(deadline)
            if line is None:
                pytest.fail(f"{text!r} was not said:\n" + "\n".join(lines))
            lines.append(line)
        return "\n".join(lines)

    def type(self, text: str) -> None:
        """Type a line on the serial console."""
        assert self.process.stdin is not None
        self.process.stdin.write(text.encode() + b"\n")
        self.process.stdin.flush()

    def _next(self, deadline: float) -> str | None:
        try:
            return self.said.get(timeout=max(deadline - time.monotonic(), 0.01))
        except Empty:
            return None


@contextmanager
def booted(artifacts: BootArtifacts, arguments: str, folder: Path) -> Iterator[Booting]:
    answer = folder / "answer.py"
    body = f"HTTP/1.1 403 Forbidden\r\nContent-Length: {len(REFUSAL)}\r\n\r\n{REFUSAL}"
    answer.write_text(f"import sys; sys.stdin.readline(); print({body!r}, end='')")
    disk = folder / "disk"
    with disk.open("wb") as file:
        file.truncate(1 << 30)
    forward = f"guestfwd=tcp:{SERVER}:80-cmd:{sys.executable} {answer}"
    argv = ["qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2"]
    argv += ["-m", "1024", "-display", "none", "-serial", "stdio", "-monitor", "none"]
    argv += ["-kernel", str(artifacts.kernel), "-initrd", str(artifacts.initramfs)]
    argv += ["-append", f"console=ttyS0,115200 quiet {arguments}", "-no-reboot"]
    argv += ["-netdev", f"user,id=net,restrict=on,{forward}"]
    argv += ["-device", f"virtio-net-pci,netdev=net,mac={MAC},romfile="]
    argv += ["-drive", f"file={disk},format=raw,if=virtio"]
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    said: SimpleQueue[str | None] = SimpleQueue()
    listener = Thread(target=_listen, args=(process, said))
    listener.start()
    try:
        yield Booting(process, said)
    finally:
        process.kill()
        process.wait()
        listener.join()
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            pipe.close()


def _listen(process: subprocess.Popen[bytes], said: SimpleQueue[str | None]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        said.put(line.decode("utf-8", "replace").rstrip())
    said.put(None)


def parameters(**more: str) -> str:
    given = {"server": f"http://{SERVER}", "mac": MAC, "address": "10.0.2.15/24"} | more
    return " ".join(f"haoscar.{name}={value}" for name, value in given.items())


def test_the_initramfs_of_a_cloud_kernel_is_small(artifacts: BootArtifacts) -> None:
    assert artifacts.initramfs.stat().st_size < INITRAMFS_MAX_BYTES


def test_the_agent_reaches_the_server_over_the_interface_that_booted(
    artifacts: BootArtifacts, tmp_path: Path
) -> None:
    with booted(artifacts, parameters(), tmp_path) as machine:
        seen = machine.wait_for(REFUSAL)
    assert f"{MAC} (virtio_net) has 10.0.2.15/24" in seen


def test_what_stops_the_agent_is_said_and_a_shell_is_given_if_allowed(
    artifacts: BootArtifacts, tmp_path: Path
) -> None:
    with booted(artifacts, parameters(mac="", shell="1"), tmp_path) as machine:
        machine.wait_for("haoscar.mac: '' is no MAC address")
        machine.wait_for("Here is a shell")
        # The console echoes what is typed: nothing of it may look like the answer.
        machine.type("while ! [ -e /run/haoscar/settled ]; do sleep 1; done; ls /sys/block")
        machine.wait_for("vda")
        machine.type("mke2fs -q -t ext4 /dev/vda; mount -t ext4 /dev/vda /target; echo is=$?")
        machine.wait_for("is=0")
        machine.type("umount /target; mkfs.vfat /dev/vda; mount -t vfat /dev/vda /target")
        machine.type("echo then=$?")
        machine.wait_for("then=0")
        machine.type("exit")
        machine.wait_for("built-in shell")
        machine.type("reboot")
        assert machine.process.wait(WITHIN_S) == 0


def test_without_leave_there_is_no_shell_and_no_panic(
    artifacts: BootArtifacts, tmp_path: Path
) -> None:
    with booted(artifacts, parameters(address=""), tmp_path) as machine:
        seen = machine.wait_for("Switch the machine off and on to try again")
        time.sleep(3)
        assert machine.process.poll() is None
    assert "shell" not in seen
    assert "panic" not in seen
