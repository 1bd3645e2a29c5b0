"""The ground of every part: small trees that change, a repository of them, and what must hold."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Final, TypeAlias

from haoscar_pxe.capture.capture import CaptureOptions, capture
from haoscar_pxe.errors import HaoscarError
from haoscar_pxe.image.compare import compare
from haoscar_pxe.image.manifest import Manifest, manifest_id
from haoscar_pxe.image.progress import Silence
from haoscar_pxe.image.reader import ChunkReader, entries
from haoscar_pxe.image.repository import Repository
from haoscar_pxe.image.signing import SigningKey, TrustedKeys
from haoscar_pxe.image.verify import verify_repository
from tests.unit.capture.sealing import RING, SEALING

KEY: Final = SigningKey(bytes(range(32)))
TRUSTED: Final = TrustedKeys.of(KEY.public)
IMAGE: Final = "primary"

Committed: TypeAlias = Mapping[tuple[str, int], str]
"""Image and generation to the id of the manifest that was committed under that name."""


def make_tree(root: Path, dice: Random, *, files: int, big_bytes: int) -> None:
    """A tree of small files in folders, with links and holes, and one big file."""
    for number in range(files):
        folder = root / f"folder-{number % 7}" / f"{number % 3}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"file-{number:04}").write_bytes(_content(dice, dice.randrange(4000)))
    (root / "big").write_bytes(_content(dice, big_bytes))
    (root / "server.keytab").write_bytes(_content(dice, 3000))
    (root / "empty").touch()
    (root / "symlink").symlink_to("folder-0/nowhere")
    os.link(root / "empty", root / "hard-link")
    with (root / "sparse").open("wb") as sparse:
        sparse.seek(1 << 20)
        sparse.write(b"after a hole")


def change_tree(root: Path, dice: Random, *, files: int = 8) -> None:
    """Rewrite some files, change the big one in its middle, add a file, remove another."""
    (root / "server.keytab").write_bytes(_content(dice, 1 + dice.randrange(3000)))
    regular = sorted(path for path in root.rglob("file-*"))
    for path in dice.sample(regular, min(files, len(regular))):
        path.write_bytes(_content(dice, 1 + dice.randrange(4000)))
    with (root / "big").open("r+b") as big:
        big.seek(dice.randrange(1 + (root / "big").stat().st_size))
        big.write(_content(dice, 30_000))
    regular[0].unlink()
    regular[0].with_name(f"file-{dice.randrange(10**9):09}").write_bytes(_content(dice, 500))


def capture_tree(repository: Repository, tree: Path, image: str = IMAGE) -> Manifest:
    """Capture as the product does. Raises what it raises."""
    options = CaptureOptions(root=tree, image=image, sealing=SEALING)
    return capture(options, repository, KEY, Silence()).manifest


def committed_in(repository: Repository) -> dict[tuple[str, int], str]:
    """What is committed now, read without the product's checks."""
    return {
        (image, number): manifest_id(repository.manifest_path(image, number).read_bytes())
        for image in repository.images()
        for number in repository.generations(image)
    }


def broken_promises(repository: Repository, committed: Committed) -> list[str]:
    """Everything that verification finds, and every committed generation that is not as it was."""
    found = committed_in(repository)
    gone = [f"{name[0]} {name[1]} is gone" for name in committed if name not in found]
    other = [
        f"{name} became another" for name in committed if found.get(name, "") != committed[name]
    ]
    report = verify_repository(repository, TRUSTED, Silence())
    return [*gone, *other, *(str(problem) for problem in report.problems)]


def differences(repository: Repository, tree: Path, image: str = IMAGE) -> list[str]:
    """How the newest generation differs from the tree; what cannot be read is a difference."""
    try:
        manifest = repository.manifest(image, None, TRUSTED)
        chunks = ChunkReader(repository.store, opening=RING)
        found = compare(entries(manifest, chunks), tree, Silence(), boxes=chunks)
    except HaoscarError as error:
        return [str(error)]
    return [str(each) for each in found]


def leftovers(repository: Repository) -> list[str]:
    """What dead writers left in tmp/."""
    return sorted(path.name for path in (repository.path / "tmp").iterdir())


def copy_repository(repository: Repository, to: Path) -> Repository:
    """A second one with the same content, in place of what lies there."""
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(repository.path, to, symlinks=True)
    return Repository.open(to)


def _content(dice: Random, size_bytes: int) -> bytes:
    """Half noise, half text, as files are."""
    noise = dice.randbytes(size_bytes // 2)
    return noise + (b"a line of a configuration file\n" * (size_bytes // 62 + 1))[: size_bytes // 2]
