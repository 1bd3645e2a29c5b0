from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from haoscar_pxe.install.sync.restarts import reboot_reason, services_to_restart
from tests.unit.boot import kernel_tree
from tests.unit.install.machines import layout

MANIFEST = msgspec.structs.replace(
    kernel_tree.manifest(release="6.1.0"), layout=layout(kernel_release="6.1.0")
)


def process(proc: Path, pid: int, maps: str, cgroup: str, comm: str) -> None:
    folder = proc / str(pid)
    folder.mkdir()
    for name, text in (("maps", maps), ("cgroup", cgroup), ("comm", comm)):
        (folder / name).write_text(text + "\n")


def test_services_that_run_with_replaced_files_are_named_once(tmp_path: Path) -> None:
    old = "7f00-7f01 r-xp 0 08:01 12 /usr/lib/libc.so.6 (deleted)"
    new = "7f00-7f01 r-xp 0 08:01 12 /usr/lib/libc.so.6"
    process(tmp_path, 10, old, "0::/system.slice/ssh.service", "sshd")
    process(tmp_path, 11, old, "0::/system.slice/ssh.service", "sshd")
    process(tmp_path, 12, new, "0::/system.slice/cron.service", "cron")
    process(tmp_path, 13, old, "0::/init.scope", "systemd")
    (tmp_path / "14").mkdir()
    (tmp_path / "self").mkdir()
    assert services_to_restart(tmp_path) == ["ssh.service", "systemd"]


@pytest.mark.parametrize(
    ("changed", "running", "words"),
    [
        ([], "6.1.0", ""),
        ([b"usr/bin/ls", b"etc/motd"], "6.1.0", ""),
        ([], "6.0.0", "runs the kernel 6.1.0, this machine 6.0.0"),
        ([b"boot/initrd.img-6.1.0"], "6.1.0", "kernel or initrd"),
        ([b"usr/lib/modules/6.1.0/modules.dep"], "6.1.0", "kernel or initrd"),
        ([b"usr/lib/systemd/systemd"], "6.1.0", "systemd itself"),
    ],
)
def test_a_reboot_is_called_for_only_by_what_needs_one(
    changed: list[bytes], running: str, words: str
) -> None:
    reason = reboot_reason(MANIFEST, changed, running)
    assert (words in reason) if words else not reason
