"""A standby syncs itself in a real machine, and its plug is pulled in the middle of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from haoscar_pxe.boot.generations import GenerationFiles
from haoscar_pxe.boot.identity import Site, identity
from haoscar_pxe.capture.capture import CaptureOptions, capture
from haoscar_pxe.command import run
from haoscar_pxe.config import Config, Paths, ServeConfig
from haoscar_pxe.image.compare import compare
from haoscar_pxe.image.manifest import Manifest
from haoscar_pxe.image.progress import Silence
from haoscar_pxe.image.reader import ChunkReader
from haoscar_pxe.image.repository import Repository
from haoscar_pxe.image.signing import SigningKey, TrustedKeys
from haoscar_pxe.install.sync.wanted import Declared, Goal
from haoscar_pxe.nodes.declare import interface, new_node
from haoscar_pxe.nodes.node import Node, NodeState
from haoscar_pxe.nodes.registry import Registry
from haoscar_pxe.nodes.standby import OWN_PATHS
from haoscar_pxe.rehearse.accelerator import accelerator
from haoscar_pxe.rehearse.hardware import Hardware
from haoscar_pxe.rehearse.machine import Machine
from haoscar_pxe.rehearse.mounted import mounted
from haoscar_pxe.rehearse.network import BRIDGE, Network, network
from haoscar_pxe.rehearse.server import Server, rehearsal_config
from tests.lab import syncing_head
from tests.lab.debian_kernel import debian_kernel
from tests.needed import need
from tests.unit.install.machines import GIB, MIB, layout, partition, root_fs

NODE = new_node(
    "standby",
    role="standby",
    image="primary",
    interfaces=(interface("52:54:00:77:00:20", "10.77.0.20/24"),),
)
WITHIN_S = 240.0
"""Bounds a broken machine, on a processor that others use too."""

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module", autouse=True)
def peers() -> None:
    need("qemu-system-x86_64", "ip", "apt-get", "dpkg-deb", "sfdisk", "grub-mkimage", "busybox")


@dataclass
class Lab:
    """An image server with two generations, and a standby that was installed from the first."""

    config: Config
    folder: Path
    net: Network
    machine: Machine
    head: Path
    release: str
    key: SigningKey

    @property
    def repository(self) -> Repository:
        return Repository.open(Path(self.config.paths.repository))

    @property
    def trusted(self) -> TrustedKeys:
        return TrustedKeys.of(self.key.public)

    def capture(self) -> Manifest:
        """The head as the next generation."""
        disks = layout(
            partition(1, MIB, 2 * GIB, root_fs(), is_bootable=True), kernel_release=self.release
        )
        layout_file = self.folder / "layout.json"
        layout_file.write_bytes(msgspec.json.encode(disks))
        options = CaptureOptions(root=self.head, image="primary", layout_file=layout_file)
        return capture(options, self.repository, self.key, Silence()).manifest

    def node(self) -> Node:
        with closing(Registry(self.config.paths.registry)) as registry:
            return registry.get("standby")

    def wait_for(self, text: str) -> None:
        """Wait until the console says it, in this boot."""
        said = lambda: text in self.machine.console(since_power_on=True)  # noqa: E731
        assert self.machine.wait(said, WITHIN_S), self.machine.console()[-4000:]

    def install(self) -> None:
        """Network-boot the blank machine until it is installed and reset."""
        self.machine.power_on(stop_at_reset=True)
        assert self.machine.wait_until_off(WITHIN_S), self.machine.console()[-4000:]
        assert self.node().state is NodeState.INSTALLED, self.machine.console()[-4000:]

    def differences(self, generation: int) -> list[str]:
        """How the disk of the machine, which is off, differs from what was declared."""
        manifest = self.repository.manifest("primary", generation, self.trusted)
        chunks = ChunkReader(self.repository.store)
        changes = identity(NODE, GenerationFiles(manifest, chunks), manifest.layout, Site())
        changes = tuple(
            msgspec.structs.replace(each, content=f"{self.node().machine_id}\n".encode())
            if b"machine-id" in each.path
            else each
            for each in changes
        )
        goal = Goal(manifest, chunks, Declared.of(changes))
        free, own = goal.free_times(), frozenset(each.path for each in OWN_PATHS)
        mount = self.folder / "mnt"
        with mounted(self.machine.disk, manifest.layout, mount, run) as found:
            all_found = compare(list(goal.entries()), found.root, Silence(), ignored=own)
        return [
            str(each) for each in all_found if not (each.aspect == "mtime" and each.path in free)
        ]


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    folder = tmp_path_factory.mktemp("kernel")
    release, files = debian_kernel(folder)
    return release, files.root


@contextmanager
def lab(folder: Path, kernel: tuple[str, Path]) -> Iterator[Lab]:
    head, (release, tree) = folder / "head", kernel
    head.mkdir()
    syncing_head.make(head, tree, release)
    paths = Paths(
        repository=str(folder / "images"), state=str(folder / "state"), keys=str(folder / "keys")
    )
    key = SigningKey.generate()
    (folder / "keys").mkdir(mode=0o700)
    (folder / "keys/signing.pub").write_text(f"{key.public.encode()}\n")
    Repository.create(folder / "images")
    site = Config(paths=paths, serve=ServeConfig(interface=BRIDGE, address="10.77.0.1/24"))
    with network(site.serve.ip) as net:
        config = rehearsal_config(site, net, folder / "server")
        with closing(Registry(config.paths.registry)) as registry:
            registry.add(NODE)
        hardware = Hardware(
            macs=(NODE.boot_interface.mac,),
            accelerator=accelerator(tree / f"boot/vmlinuz-{release}", folder),
            disk_bytes=2 * GIB + MIB,
        )
        with Machine(folder / "machine", net, hardware) as machine:
            made = Lab(config, folder, net, machine, head, release, key)
            made.capture()
            with Server(config, net, folder / "server"):
                made.install()
                syncing_head.change(head, release)
                made.capture()
                yield made


def test_a_standby_whose_plug_is_pulled_amid_a_sync_ends_as_the_new_generation(
    tmp_path: Path, kernel: tuple[str, Path]
) -> None:
    with lab(tmp_path, kernel) as made:
        assert made.differences(1) == []
        made.machine.power_on()
        made.wait_for("committed")
        time.sleep(0.4)
        made.machine.power_off()
        made.machine.power_on()
        made.wait_for("HEAD standby is generation 2")
        said = made.machine.console(since_power_on=True)
        assert "finishing primary generation 2" in said
        assert "says=two" in said
        made.wait_for("HEAD rests")
        made.machine.power_off()
        assert made.differences(2) == []
