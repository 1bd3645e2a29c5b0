"""The demo: the main job for real, on one machine, from nothing to a standby that answers.

Its work folder is an image server's in small; a second run reuses what the first one made:

    lock
    head-…/, debs/             see head.py
    images/, keys/, state/     repository, signing key, registry
    rehearsal-standby/         see rehearsal.py
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from haoscar_pxe.capture.capture import CaptureOptions, capture
from haoscar_pxe.capture.disks.default_layout import default_layout
from haoscar_pxe.capture.files.secrets import Sealing, SecretRules
from haoscar_pxe.capture.report import CaptureReport
from haoscar_pxe.config import Config, Paths, ServeConfig
from haoscar_pxe.errors import NodeError
from haoscar_pxe.image.layout import Boot
from haoscar_pxe.image.progress import Progress, Watched, unwatched
from haoscar_pxe.image.repository import Repository
from haoscar_pxe.image.sealing_keys import KeyFolder
from haoscar_pxe.image.signing import SigningKey
from haoscar_pxe.image.signing_keys import SIGNING_KEY, SigningFolder
from haoscar_pxe.nodes.declare import armed, interface, new_node
from haoscar_pxe.nodes.node import Node
from haoscar_pxe.nodes.registry import Registry
from haoscar_pxe.rehearse import head
from haoscar_pxe.rehearse.firmware import MachineFirmware
from haoscar_pxe.rehearse.network import BRIDGE
from haoscar_pxe.rehearse.probe import Page, Probe
from haoscar_pxe.rehearse.rehearsal import Request, rehearse
from haoscar_pxe.rehearse.report import RehearsalReport, summary
from haoscar_pxe.rehearse.steps import Narrator, Steps, TimedStep
from haoscar_pxe.rehearse.work_folder import held

IMAGE: Final = "primary"
CONTENT_BYTES: Final = 1 << 30
ENTRIES: Final = 50_000
"""More than the head has: room for it in a layout that is made before the capture."""
NODE: Final = "standby"
SERVER_ADDRESS: Final = "10.77.0.1/24"
NODE_ADDRESS: Final = "10.77.0.20/24"
NODE_MAC: Final = "52:54:00:77:00:20"


@dataclass(frozen=True, slots=True)
class DemoReport:
    """What the demo showed. steps: before the rehearsal, whose own are in its report."""

    steps: tuple[TimedStep, ...]
    entries: int
    stored_bytes: int
    packed_bytes: int
    rehearsal: RehearsalReport

    @property
    def ok(self) -> bool:
        """All of it held."""
        return self.rehearsal.ok


def run_demo(
    work: Path,
    root: Path | None,
    narrator: Narrator,
    watched: Watched = unwatched,
    firmware: MachineFirmware = "bios",
) -> DemoReport:
    """Run it in the folder `work`. root: capture this tree instead of making a head. Needs root.

    firmware: of the standby's machine; the head is captured for it.

    Raises what the rooms raise; a standby that is not what it must be is a report that is not ok.
    """
    work = work.absolute()
    steps = Steps(narrator)
    with held(work, "the demo"):
        with steps.step("make a head" if root is None else f"take {root} for the head"):
            tree, probes = _head(work, narrator) if root is None else (root, ())
        config = demo_config(work)
        with steps.step("capture it"):
            with watched("capture") as progress:
                captured = _capture(config, tree, firmware, progress)
            narrator.detail(_describe(captured))
        with steps.step("register the standby"):
            node = register(config, image_of(firmware))
            narrator.detail(f"{NODE}: {NODE_MAC} {NODE_ADDRESS}, to be a standby of {node.image}")
        request = Request(config, node, work, probes, firmware=firmware)
        rehearsed = rehearse(request, narrator, watched)
    manifest = captured.manifest
    return DemoReport(
        steps=tuple(steps.timed),
        entries=manifest.entry_count,
        stored_bytes=manifest.stored_bytes,
        packed_bytes=manifest.packed_bytes,
        rehearsal=rehearsed,
    )


def demo_config(work: Path) -> Config:
    """The configuration of the demo's image server. work: absolute."""
    paths = Paths(
        repository=str(work / "images"), state=str(work / "state"), keys=str(work / "keys")
    )
    return Config(paths=paths, serve=ServeConfig(interface=BRIDGE, address=SERVER_ADDRESS))


def demo_summary(report: DemoReport) -> list[str]:
    """The report as lines for people, the verdict last."""
    return summary(report.rehearsal, report.steps)


def _head(work: Path, narrator: Narrator) -> tuple[Path, tuple[Probe, ...]]:
    made = head.make_head(work, narrator)
    narrator.detail(f"{made.tree}{', made before' if made.was_reused else ''}")
    address = NODE_ADDRESS.partition("/")[0]
    return made.tree, (Page(address, contains=head.PAGE.strip()),)


def image_of(firmware: MachineFirmware) -> str:
    """The image's name: one tree, captured once for each kind of firmware."""
    return IMAGE if firmware == "bios" else f"{IMAGE}-uefi"


def _capture(
    config: Config, tree: Path, firmware: MachineFirmware, progress: Progress
) -> CaptureReport:
    image = image_of(firmware)
    repository = Repository.create(Path(config.paths.repository))
    keys = Path(config.paths.keys)
    signer = signer_of(keys)
    options = CaptureOptions(
        root=tree,
        image=image,
        sealing=Sealing(KeyFolder.below(keys).current(image), SecretRules()),
        layout_file=None if firmware == "bios" else _uefi_layout(config, image),
    )
    return capture(options, repository, signer, progress)


def _uefi_layout(config: Config, image: str) -> Path:
    """A file with the default layout for UEFI: left alone, a tree that has both is for a BIOS."""
    boot = Boot(firmware="uefi", loader="grub", kernel_release="")
    layout = default_layout(image, boot, (), CONTENT_BYTES, ENTRIES)
    path = Path(config.paths.state) / "layout-uefi.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.encode(layout))
    return path


def _describe(captured: CaptureReport) -> str:
    manifest = captured.manifest
    return (
        f"{manifest.image} generation {manifest.generation}: {manifest.entry_count} entries, "
        f"{manifest.stored_bytes / 1e6:.0f} MB of content, {manifest.sealed_files} secrets sealed, "
        f"{manifest.packed_bytes / 1e6:.0f} MB added to the repository"
    )


def signer_of(keys: Path) -> SigningKey:
    """The key that signs the demo's captures, made if there is none."""
    keys.mkdir(mode=0o700, exist_ok=True)
    folder = SigningFolder(keys)
    return folder.signer if (keys / SIGNING_KEY).exists() else folder.make()


def register(config: Config, image: str) -> Node:
    """The standby in the demo's registry, armed; added if it is not known yet."""
    with closing(Registry(config.paths.registry)) as registry:
        interfaces = (interface(NODE_MAC, NODE_ADDRESS),)
        node = new_node(NODE, role="standby", image=image, interfaces=interfaces)
        try:
            registry.add(node)
        except NodeError:
            return registry.change(
                NODE, lambda known: msgspec.structs.replace(armed(known), image=image)
            )
        return node
