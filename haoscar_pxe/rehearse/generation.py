"""The generation to be rehearsed, opened: its files, what of it will change, and how it boots."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec

from haoscar_pxe.boot.artifacts import prepare
from haoscar_pxe.boot.bundle import build_bundle
from haoscar_pxe.boot.generations import GenerationFiles
from haoscar_pxe.boot.identity import Site, identity
from haoscar_pxe.config import Config
from haoscar_pxe.image.manifest import Manifest
from haoscar_pxe.image.reader import ChunkReader
from haoscar_pxe.image.repository import Repository
from haoscar_pxe.image.sealing_keys import KeyFolder
from haoscar_pxe.image.signing import TrustedKeys
from haoscar_pxe.nodes.declare import armed
from haoscar_pxe.nodes.node import Node
from haoscar_pxe.nodes.order import IdentityChange


@dataclass(frozen=True, slots=True)
class OpenGeneration:
    """One generation and the node that it shall become.

    node: armed, pinned to this generation, with any disk: the machine is not the node's own.
    identity: all that is declared to differ. kernel: the file that boots the installer.
    """

    manifest: Manifest
    files: GenerationFiles
    chunks: ChunkReader
    node: Node
    identity: tuple[IdentityChange, ...]
    kernel: Path


def open_generation(config: Config, node: Node) -> OpenGeneration:
    """Open what `node` shall be installed from, and make its boot files if they are not there.

    config: paths and site of the boot server that will hand them out. Raises RepositoryError,
    IntegrityError, ConfigError, BootError.
    """
    paths = config.paths
    trusted = TrustedKeys.from_folder(Path(paths.keys))
    repository = Repository.open(Path(paths.repository))
    manifest = repository.manifest(node.image, node.generation, trusted)
    opening = KeyFolder.below(Path(paths.keys)).ring(node.image)
    chunks = ChunkReader(repository.store, opening=opening)
    files = GenerationFiles(manifest, chunks)
    bundle = build_bundle(paths.bundle_cache)
    made = prepare(manifest, files, bundle, paths.boot_cache, trusted)
    rehearsed = msgspec.structs.replace(
        armed(node),
        generation=manifest.generation,
        disk="auto",
        wipe="blank",
    )
    changes = identity(rehearsed, files, manifest.layout, _site(config))
    return OpenGeneration(manifest, files, chunks, rehearsed, changes, made.kernel)


def _site(config: Config) -> Site:
    return Site(
        dns=config.serve.dns,
        domain=config.serve.domain,
        gateway=config.serve.gateway,
        rules=config.identity,
        templates=config.paths.site_templates,
    )
