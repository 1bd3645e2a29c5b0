"""Install a small head onto loop devices with every real tool, and boot the result in QEMU."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
from blake3 import blake3

from haoscar_pxe.capture.capture import CaptureOptions, capture
from haoscar_pxe.command import run
from haoscar_pxe.errors import CommandError, IntegrityError, PlanRefusedError, StorageError
from haoscar_pxe.image.compare import Difference, compare
from haoscar_pxe.image.layout import DiskLayout
from haoscar_pxe.image.manifest import Manifest
from haoscar_pxe.image.progress import Silence
from haoscar_pxe.image.reader import ChunkReader, entries
from haoscar_pxe.image.repository import Repository
from haoscar_pxe.image.signing import SigningKey, TrustedKeys
from haoscar_pxe.install import file_systems
from haoscar_pxe.install.claim import claim_of
from haoscar_pxe.install.machine import MachineDisk
from haoscar_pxe.install.plan import InstallPlan
from haoscar_pxe.install.report import Console, Reporter
from haoscar_pxe.install.server import Server
from haoscar_pxe.install.steps import Surroundings, install
from haoscar_pxe.nodes.order import IdentityChange, InstallOrder, Step
from tests.lab import loop_disk, small_head
from tests.lab.image_server import ImageServer
from tests.needed import need
from tests.unit.capture.sealing import OPENING, RING, SEALING
from tests.unit.install.machines import GIB, debian_layout, gpt_layout, layout

NEEDED = ("losetup", "sfdisk", "mke2fs", "mkswap", "ldd", "grub-mkimage", "qemu-system-x86_64")
BOOT_S = 90
MAC = "52:54:00:12:34:56"

IDENTITY = (
    IdentityChange(path=b"etc/hostname", content=b"standby1\n", reason="the node's name"),
    IdentityChange(path=b"etc/machine-id", content=None, reason="made anew"),
    IdentityChange(path=b"etc/added", content=b"new\n", reason="a file of the site"),
)


@pytest.fixture(scope="module", autouse=True)
def peers() -> None:
    need(*NEEDED)
    if not Path(small_head.SETUP).exists():
        need("grub-pc-bin", root=False)


@dataclass(frozen=True, slots=True)
class Captured:
    """A repository with one generation of the small head."""

    repository: Repository
    manifest: Manifest
    trusted: TrustedKeys

    def order(self, **changes: object) -> InstallOrder:
        wanted = InstallOrder(
            node="standby1",
            image="primary",
            generation=self.manifest.generation,
            manifest_id=self.manifest.id,
            token="token of this arming",
            interfaces=(),
            identity=IDENTITY,
            disk="auto",
            wipe="blank",
            patience_s=30,
            opening_keys=(OPENING.encode(),),
        )
        return msgspec.structs.replace(wanted, **changes)


def captured_with(disks: DiskLayout, folder: Path) -> Captured:
    """Capture the small head as if it had been on these disks."""
    root, key = folder / "head", SigningKey.generate()
    if not root.exists():
        small_head.make(root)
    layout_file = folder / "layout.json"
    layout_file.write_bytes(msgspec.json.encode(disks))
    repository = Repository.create(folder / "images")
    options = CaptureOptions(root=root, image="primary", sealing=SEALING, layout_file=layout_file)
    report = capture(options, repository, key, Silence())
    return Captured(repository, report.manifest, TrustedKeys.of(key.public))


@pytest.fixture
def captured(tmp_path: Path) -> Captured:
    return captured_with(layout(), tmp_path)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A blank disk's file."""
    loop_disk.make_blank(tmp_path / "disk", 3 * GIB)
    return tmp_path / "disk"


@pytest.fixture
def device(image: Path) -> Iterator[str]:
    with loop_disk.attached(image) as found:
        yield found


def installed(
    server: ImageServer, captured: Captured, device: str, order: InstallOrder, target: Path
) -> InstallPlan:
    """Install the order onto the device, as the agent does once it has the order."""
    with (target.parent / "console").open("a") as stream:
        console = Console([stream])
        node_server = Server(server.url, console.say)
        reporter = Reporter(MAC, node_server, console)
        reporter.trust(order.token)

        def disks() -> list[MachineDisk]:
            return [loop_disk.facts(device)]

        around = Surroundings(node_server, reporter, run, "bios", disks, captured.trusted, target)
        plan = install(order, around)
        assert reporter.flush(30)
        return plan


def differences(plan: InstallPlan, captured: Captured, target: Path) -> list[Difference]:
    """All in which the installed disk differs from the generation."""
    chunks = ChunkReader(captured.repository.store, opening=RING)
    with file_systems.mounted(plan, target, run):
        return compare(entries(captured.manifest, chunks), target, Silence(), boxes=chunks)


def console_of(image: Path) -> str:
    """What a machine with this disk and nothing else says on its serial console."""
    argv = ["qemu-system-x86_64", "-accel", "tcg", "-m", "256", "-display", "none", "-no-reboot"]
    disk = ["-drive", f"file={image},format=raw,if=virtio,snapshot=on", "-nic", "none"]
    try:
        return run([*argv, *disk, "-serial", "stdio"], timeout_s=BOOT_S).text
    except CommandError as error:
        return str(error)


@pytest.mark.lab
@pytest.mark.parametrize(
    "disks", [layout(), debian_layout(), gpt_layout()], ids=["mbr", "ext", "gpt"]
)
def test_an_installed_disk_boots_and_differs_in_its_identity_only(
    disks: DiskLayout, tmp_path: Path, image: Path
) -> None:
    captured, target = captured_with(disks, tmp_path), tmp_path / "target"
    order = captured.order()
    with ImageServer(captured.repository, order) as server, loop_disk.attached(image) as device:
        plan = installed(server, captured, device, order, target)
        found = differences(plan, captured, target)
        assert loop_disk.facts(device).claim == claim_of(order.token)
    changed = {(each.path, each.aspect) for each in found if each.aspect != "mtime"}
    assert changed == {
        (b"etc/hostname", "content"),
        (b"etc/machine-id", "missing"),
        (b"etc/added", "extra"),
    }
    assert {each.path for each in found if each.aspect == "mtime"} <= {b"etc/hostname"}
    assert small_head.GREETING in console_of(image)
    steps = list(dict.fromkeys(event.step for event in server.events))
    assert steps == list(Step)[3:10]
    assert any(event.percent == 100 for event in server.events)


@pytest.mark.lab
def test_the_heads_own_core_image_boots_where_its_disks_were_read(
    tmp_path: Path, image: Path
) -> None:
    small_head.make(tmp_path / "head")
    small_head.install_grub(tmp_path / "head")
    captured = captured_with(layout(), tmp_path)
    order = captured.order()
    with ImageServer(captured.repository, order) as server, loop_disk.attached(image) as device:
        installed(server, captured, device, order, tmp_path / "target")
        assert "the head's own core image" in server.events[-1].message
    assert small_head.GREETING in console_of(image)


@pytest.mark.lab
def test_an_interrupted_installation_may_begin_again_under_the_same_order_only(
    captured: Captured, device: str, tmp_path: Path
) -> None:
    order = captured.order(patience_s=1)
    with ImageServer(captured.repository, order) as server:
        server.leaves_when = Path(f"{device}p1").is_block_device
        server.absent_answers = 1000
        with pytest.raises(StorageError):
            installed(server, captured, device, order, tmp_path / "target")
    half = loop_disk.facts(device)
    assert half.contents
    other = captured.order(token="token of the next arming")
    with (
        ImageServer(captured.repository, other) as server,
        pytest.raises(PlanRefusedError, match="not blank"),
    ):
        installed(server, captured, device, other, tmp_path / "target")
    assert loop_disk.facts(device) == half
    with ImageServer(captured.repository, order) as server:
        plan = installed(server, captured, device, order, tmp_path / "target")
    assert {each.path for each in differences(plan, captured, tmp_path / "target")} == {
        change.path for change in IDENTITY
    }


@pytest.mark.lab
def test_a_server_that_comes_back_finds_the_installation_going_on(
    captured: Captured, device: str, tmp_path: Path
) -> None:
    order = captured.order()
    with ImageServer(captured.repository, order) as server:
        server.leaves_when = Path(f"{device}p1").is_block_device
        server.absent_answers = 6
        installed(server, captured, device, order, tmp_path / "target")
        assert server.absent_answers == 0
    console = (tmp_path / "console").read_text()
    assert "boot loader: a core image" in console
    assert server.events[-1].step == Step.BOOT_LOADER


@pytest.mark.lab
def test_a_manifest_with_a_flipped_bit_is_refused_before_the_disk_is_touched(
    captured: Captured, device: str, tmp_path: Path
) -> None:
    path = captured.repository.manifest_path("primary", 1)
    sealed = bytearray(path.read_bytes())
    sealed[len(sealed) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(sealed)
    for manifest_id in (captured.manifest.id, blake3(bytes(sealed)).hexdigest()):
        order = captured.order(manifest_id=manifest_id)
        with ImageServer(captured.repository, order) as server, pytest.raises(IntegrityError):
            installed(server, captured, device, order, tmp_path / "target")
    assert loop_disk.facts(device).contents == ()


@pytest.mark.lab
def test_an_installation_killed_at_any_moment_is_done_by_the_next_start(
    captured: Captured, device: str, tmp_path: Path
) -> None:
    """Eight moments spread over the run; the power cut also takes the mounts away."""
    order, target = captured.order(), tmp_path / "target"
    with ImageServer(captured.repository, order) as server:
        began = time.monotonic()
        installed(server, captured, device, order, target)
        whole_s = time.monotonic() - began
        for number in range(8):
            installing = multiprocessing.get_context("fork").Process(
                target=installed, args=(server, captured, device, order, target)
            )
            installing.start()
            assert installing.pid is not None
            # A group of its own: a power cut spares no program that the installer started.
            os.setpgid(installing.pid, installing.pid)
            time.sleep(whole_s * (number + 0.5) / 8)
            os.killpg(installing.pid, signal.SIGKILL)
            installing.join()
            unmount_all(target)
        plan = installed(server, captured, device, order, target)
    assert {each.path for each in differences(plan, captured, target)} == {
        change.path for change in IDENTITY
    }


def unmount_all(target: Path) -> None:
    """What a power cut does to mounts; the killed programs let go of them one by one."""
    deadline = time.monotonic() + 20
    while mounts := mounts_below(target):
        for mount in reversed(mounts):
            try:
                run(["umount", mount])
            except CommandError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)


def mounts_below(target: Path) -> list[str]:
    """Mount points at and below target, in the order in which they were mounted."""
    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return [mount for mount in mounts if mount.startswith(str(target))]
