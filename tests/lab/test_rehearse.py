"""The whole way, with a real machine: the demo, and an installation that nothing goes right for.

The head is made in .work/tests of the checkout and reused by the next run.
"""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import pytest

import haoscar_pxe
from haoscar_pxe.boot.firmware_files import FIRMWARE_FILES
from haoscar_pxe.command import run
from haoscar_pxe.image.entry import Device, Directory, Entry, Fifo, File, HardLink, Symlink
from haoscar_pxe.image.progress import Silence
from haoscar_pxe.image.reader import find
from haoscar_pxe.nodes.order import Step
from haoscar_pxe.nodes.registry import Registry
from haoscar_pxe.nodes.timeline import TimelineFile
from haoscar_pxe.rehearse.accelerator import TCG, accelerator, boots
from haoscar_pxe.rehearse.awkward import ANCIENT_NS, LARGE_BYTES, MIB, ODD_NS, SPARSE_BYTES
from haoscar_pxe.rehearse.comparison import compare_disk
from haoscar_pxe.rehearse.demo import NODE, DemoReport, demo_config, run_demo
from haoscar_pxe.rehearse.firmware import SECURE
from haoscar_pxe.rehearse.generation import OpenGeneration, open_generation
from haoscar_pxe.rehearse.hardware import Hardware
from haoscar_pxe.rehearse.machine import Machine
from haoscar_pxe.rehearse.network import network
from haoscar_pxe.rehearse.rehearsal import Request, rehearse
from haoscar_pxe.rehearse.server import Server, rehearsal_config
from haoscar_pxe.rehearse.steps import Quiet
from haoscar_pxe.rehearse.watch import Watch
from tests.needed import need, need_files

pytestmark = pytest.mark.lab

WORK = Path(haoscar_pxe.__file__).parents[1] / ".work" / "tests"
SCRIPT_WITHIN_S = 1.0
"""0.055 s was seen; iPXE waits 3 s for a proxy's offer, and 16 s for an IPv6 router, if it must."""
PROGRAMS = ("qemu-system-x86_64", "debootstrap", "busybox", "sfdisk", "losetup", "debugfs")


@pytest.fixture(scope="module")
def demo() -> DemoReport:
    need(*PROGRAMS)
    return run_demo(WORK, None, Quiet())


@pytest.fixture(scope="module")
def primary(demo: DemoReport) -> OpenGeneration:
    """What the demo captured first."""
    config = demo_config(WORK)
    with closing(Registry(config.paths.registry)) as registry:
        node = msgspec.structs.replace(registry.get(NODE), image=demo.rehearsal.image)
    return open_generation(config, node)


def test_the_standby_is_the_primary_under_its_own_name(demo: DemoReport) -> None:
    rehearsal = demo.rehearsal
    assert rehearsal.differences == ()
    assert [result.name for result in rehearsal.probes if not result.ok] == []
    assert demo.ok
    said = {result.name: result.seen for result in rehearsal.probes}
    assert "its console says 'standby login:'" in said
    assert any(name.startswith("http://10.77.0.20:80/ contains") for name in said)
    declared = {path for path, _ in rehearsal.declared}
    assert {"etc/hostname", "etc/hosts", "etc/machine-id", "etc/network/interfaces"} <= declared


def test_ipxe_has_its_script_within_a_second_of_its_first_question(demo: DemoReport) -> None:
    with closing(TimelineFile(WORK / f"rehearsal-{NODE}" / "state/timeline.sqlite")) as timeline:
        happenings = timeline.of(NODE)
    script = next(each for each in happenings if "/boot/ipxe/" in each.message and each.size_bytes)
    assert happenings[0].message.startswith("DISCOVER")
    assert (script.at_ns - happenings[0].at_ns) / 1e9 < SCRIPT_WITHIN_S


@pytest.fixture(scope="module")
def uefi(demo: DemoReport) -> DemoReport:
    """The same head, captured for UEFI; after the BIOS one, which made it."""
    need("mcopy")
    need_files((str(SECURE.code),), *(file.candidates for file in FIRMWARE_FILES))
    return run_demo(WORK, None, Quiet(), firmware="uefi-secure-boot")


def test_a_uefi_standby_installs_and_boots_with_secure_boot(uefi: DemoReport) -> None:
    rehearsal = uefi.rehearsal
    assert rehearsal.firmware == "uefi-secure-boot"
    assert rehearsal.differences == ()
    assert [result.name for result in rehearsal.probes if not result.ok] == []
    declared = {path for path, _ in rehearsal.declared}
    assert {"boot/efi/EFI/BOOT/BOOTX64.EFI", "boot/efi/EFI/debian/grub.cfg"} <= declared
    log = (WORK / f"rehearsal-{NODE}" / "serve.log").read_text()
    assert "got 'shimx64.efi'" in log
    assert "asked for 'revocations_sbat.efi': file not found" in log
    assert re.search(r"boot order \w+ UEFI PXEv4 [^,]*, \w+ Linux \(haoscar-pxe\)", log)


def test_uefi_http_boot_reaches_the_installer(uefi: DemoReport) -> None:
    config = demo_config(WORK)
    with closing(Registry(config.paths.registry)) as registry:
        node = registry.get(NODE)
    request = Request(config, node, WORK, firmware="uefi-http", only_start=True)
    report = rehearse(request, Quiet())
    assert [step.name for step in report.steps][-1] == "network-boot the machine"
    log = (WORK / f"rehearsal-{NODE}" / "serve.log").read_text()
    assert "GET '/boot/firmware/snponly.efi' -> 200" in log
    assert "GET '/boot/ipxe/01-52-54-00-77-00-20' -> 200" in log
    assert " got " not in log, "nothing was fetched by TFTP"


def test_nothing_of_it_is_left(demo: DemoReport) -> None:
    assert f"hx-{os.getpid()}-" not in run(["ip", "netns", "list"]).text
    assert str(WORK) not in Path("/proc/self/mountinfo").read_text()
    assert str(WORK) not in run(["losetup", "--list", "--noheadings"]).text


def awkward(primary: OpenGeneration, name: bytes) -> Entry:
    entry = find(primary.manifest, primary.chunks, b"srv/awkward/" + name)
    assert entry is not None
    return entry


def test_what_was_compared_holds_every_awkward_file(primary: OpenGeneration) -> None:
    def meta(name: bytes) -> tuple[int, dict[bytes, bytes]]:
        entry = awkward(primary, name)
        assert not isinstance(entry, HardLink)
        return entry.meta.mtime_ns, dict(entry.meta.xattrs)

    ping = find(primary.manifest, primary.chunks, b"usr/bin/ping")
    assert isinstance(ping, File)
    assert b"security.capability" in dict(ping.meta.xattrs)
    assert b"system.posix_acl_access" in meta(b"acl")[1]
    assert meta(b"xattr")[1] == {b"user.origin": b"primary\0\xff"}
    assert meta(b"odd")[0] == ODD_NS
    assert meta(b"ancient")[0] == ANCIENT_NS
    first = awkward(primary, b"link-1")
    assert isinstance(first, File)
    for other in (b"link-2", b"link-3"):
        link = awkward(primary, other)
        assert isinstance(link, HardLink)
        assert link.target == first.path
    sparse, large = awkward(primary, b"sparse"), awkward(primary, b"large")
    assert isinstance(sparse, File)
    assert isinstance(large, File)
    assert sparse.size_bytes == SPARSE_BYTES
    assert sum(extent.size_bytes for extent in sparse.extents) == MIB
    assert large.size_bytes == LARGE_BYTES
    null, sticky = awkward(primary, b"null"), awkward(primary, b"sticky")
    assert isinstance(null, Device)
    assert (null.is_block, null.major, null.minor) == (False, 1, 3)
    assert isinstance(sticky, Directory)
    assert sticky.meta.mode == stat.S_ISVTX | 0o777
    assert isinstance(awkward(primary, b"fifo"), Fifo)
    assert isinstance(awkward(primary, b"loop-a"), Symlink)
    assert isinstance(awkward(primary, b"\xff\n"), File)


def test_an_accelerator_counts_only_if_a_kernel_greets(
    primary: OpenGeneration, tmp_path: Path
) -> None:
    assert boots(primary.kernel, TCG, tmp_path, within_s=30.0)
    (tmp_path / "noise").write_bytes(b"no kernel" * 1000)
    assert not boots(tmp_path / "noise", TCG, tmp_path)


BY_PXELINUX = """#!ipxe
set 210:string tftp://${next-server}/
chain tftp://${next-server}/lpxelinux.0
"""
"""A site's own template. All ROMs here are iPXE, and machines with others load pxelinux."""


@dataclass(frozen=True, slots=True)
class Lab:
    """A server and a blank machine, and what the machine reports."""

    server: Server
    machine: Machine
    watch: Watch


@pytest.fixture
def lab(primary: OpenGeneration, tmp_path: Path) -> Iterator[Lab]:
    site, folder = demo_config(WORK), WORK / "rehearsal-faults"
    site = replace(site, paths=replace(site.paths, templates=str(tmp_path / "templates")))
    (tmp_path / "templates/ipxe").mkdir(parents=True)
    (tmp_path / "templates/ipxe/install").write_text(BY_PXELINUX)
    with network(site.serve.ip) as net:
        config = rehearsal_config(site, net, folder)
        opened = open_generation(config, primary.node)
        for left in config.paths.registry.parent.glob("registry.sqlite*"):
            left.unlink()
        hardware = Hardware(
            macs=(opened.node.boot_interface.mac,), accelerator=accelerator(opened.kernel, WORK)
        )
        with (
            closing(Registry(config.paths.registry)) as registry,
            Machine(folder, net, hardware) as machine,
        ):
            registry.add(primary.node)
            with Server(config, net, folder) as server:
                yield Lab(server, machine, Watch(registry, NODE, Quiet(), lambda: ""))


def wait_until(is_so: Callable[[], bool], within_s: float) -> None:
    deadline = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def restored(lab: Lab, percent: float) -> Callable[[], bool]:
    """Whether the last report says that so much of the content is restored."""

    def is_so() -> bool:
        last = lab.watch.events()[-1:]
        return bool(last) and last[0].step is Step.RESTORE and (last[0].percent or 0) >= percent

    return is_so


def test_an_installation_survives_a_power_cut_and_a_server_that_goes_away(
    primary: OpenGeneration, lab: Lab, tmp_path: Path
) -> None:
    lab.machine.power_on(stop_at_reset=True)
    wait_until(restored(lab, 5), 300)
    assert "got 'pxelinux.cfg/01-52-54-00-77-00-20'" in lab.server.log.read_text()
    lab.machine.power_off()
    reports = len(lab.watch.events())
    lab.machine.power_on(stop_at_reset=True)
    wait_until(lambda: len(lab.watch.events()) > reports and restored(lab, 10)(), 300)
    lab.server.kill()
    time.sleep(5)
    assert lab.machine.is_on
    lab.server.start()
    lab.watch.until_installed()
    assert lab.machine.wait_until_off(120)
    differences = compare_disk(lab.machine.disk, primary, tmp_path / "mnt", Silence())
    assert differences == ()
    damage(lab.machine.disk, primary)
    found = compare_disk(lab.machine.disk, primary, tmp_path / "mnt", Silence())
    assert sorted(found) == [
        "b'etc/passwd': mode: expected 0644, found 0666",
        "b'srv/awkward/empty': missing: expected File, found nothing",
    ]


def damage(disk: Path, primary: OpenGeneration) -> None:
    """Change a mode and remove a name, behind the system's back."""
    offset = primary.manifest.layout.disks[0].partitions[0].start_bytes
    partition = f"{disk}?offset={offset}"
    for request in ("set_inode_field /etc/passwd mode 0100666", "unlink /srv/awkward/empty"):
        run(["debugfs", "-w", "-R", request, partition])
