"""An image server with two generations and a standby that was installed from the first of them.

The machine is a real one in QEMU, network-booted; its head is `syncing_head`, which brings itself
up to date as soon as it runs. Killing QEMU is the power cut: what the guest did not write is gone.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from haoscar_pxe.boot.generations import GenerationFiles
from haoscar_pxe.boot.identity import Site, identity
from haoscar_pxe.capture.capture import CaptureOptions, capture
from haoscar_pxe.capture.files.secrets import Sealing, SecretRules
from haoscar_pxe.command import run
from haoscar_pxe.config import Config, Paths, ServeConfig
from haoscar_pxe.image.compare import compare
from haoscar_pxe.image.manifest import Manifest
from haoscar_pxe.image.progress import Silence
from haoscar_pxe.image.reader import ChunkReader
from haoscar_pxe.image.repository import Repository
from haoscar_pxe.image.sealing_keys import KeyFolder
from haoscar_pxe.image.signing import SigningKey, TrustedKeys
from haoscar_pxe.image.source import FolderSource
from haoscar_pxe.install.sync.fetching import Fetching
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
from tests.unit.install.machines import GIB, MIB, layout, partition, root_fs

NODE = new_node(
    "standby",
    role="standby",
    image="primary",
    interfaces=(interface("52:54:00:77:00:20", "10.77.0.20/24"),),
)
PEERS = ("qemu-system-x86_64", "ip", "apt-get", "dpkg-deb", "sfdisk", "grub-mkimage", "busybox")
WITHIN_S = 240.0
"""Bounds a broken machine, on a processor that others use too."""


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

    @property
    def _keys(self) -> KeyFolder:
        return KeyFolder.below(Path(self.config.paths.keys))

    def capture(self) -> Manifest:
        """The head as the next generation."""
        disks = layout(
            partition(1, MIB, 2 * GIB, root_fs(), is_bootable=True), kernel_release=self.release
        )
        layout_file = self.folder / "layout.json"
        layout_file.write_bytes(msgspec.json.encode(disks))
        sealing = Sealing(self._keys.current("primary"), SecretRules())
        options = CaptureOptions(
            root=self.head, image="primary", sealing=sealing, layout_file=layout_file
        )
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

    def seconds_until(self, text: str, began_s: float) -> float:
        """Wait until the console says it; when that was, counted from began_s."""
        self.wait_for(text)
        return time.monotonic() - began_s

    def pull_the_plug(self, after: str, delay_s: float) -> None:
        """Switch on, wait until the console says it, and so much longer; then cut the power."""
        self.machine.power_on()
        self.wait_for(after)
        time.sleep(delay_s)
        self.machine.power_off()

    def boot_again(self) -> str:
        """Switch on and wait until it rests as generation 2; what it said on the way."""
        self.machine.power_on()
        self.wait_for("HEAD rests")
        said = self.machine.console(since_power_on=True)
        self.machine.power_off()
        return said

    def copy_of_disk(self, to: Path) -> Path:
        """A copy of the machine's disk, as it is."""
        run(["cp", "--sparse=always", str(self.machine.disk), str(to)])
        return to

    def put_disk(self, disk: Path) -> None:
        """Give the machine, which is off, a disk like this one."""
        self.machine.disk.unlink()
        run(["cp", "--sparse=always", str(disk), str(self.machine.disk)])

    def what_the_cut_left(self, disk: Path) -> Path:
        """A copy of the machine's disk as the kernel finds it, with its journal replayed."""
        self.copy_of_disk(disk)
        place = f"loop,offset={MIB},sizelimit={2 * GIB}"
        mount = self.folder / "mnt"
        mount.mkdir(exist_ok=True)
        run(["mount", "-t", "ext4", "-o", place, str(disk), str(mount)])
        run(["umount", str(mount)])
        return disk

    def differences(self, generation: int, disk: Path | None = None) -> list[str]:
        """How the disk of the machine, which is off, differs from what was declared.

        disk: another file than the machine's own.
        """
        manifest = self.repository.manifest("primary", generation, self.trusted)
        chunks = ChunkReader(self.repository.store, opening=self._keys.ring("primary"))
        changes = identity(NODE, GenerationFiles(manifest, chunks), manifest.layout, Site())
        source = Fetching(FolderSource(self.repository.path), manifest)
        goal = Goal(manifest, source, Declared.of(changes))
        free, own = goal.free_times(), frozenset(each.path for each in OWN_PATHS)
        mount = self.folder / "mnt"
        with mounted(disk or self.machine.disk, manifest.layout, mount, run) as found:
            all_found = compare(
                list(goal.entries()), found.root, Silence(), ignored=own, boxes=chunks
            )
        return [
            str(each) for each in all_found if not (each.aspect == "mtime" and each.path in free)
        ]


@contextmanager
def lab(folder: Path) -> Iterator[Lab]:
    """Make all of it; the standby is installed, off, and one generation behind."""
    head, unpacked = folder / "head", folder / "kernel"
    head.mkdir()
    unpacked.mkdir()
    release, files = debian_kernel(unpacked)
    tree = files.root
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


def without_staging(differences: list[str]) -> list[str]:
    """Less what lies beside the tree as long as a sync is not finished."""
    return [each for each in differences if ".haoscar-pxe-sync" not in each]
