"""The programs that are measured: ours by its command line, and the peers, each as its manual says.

Each keeps its repository in a folder of its own on a fresh file system. Ours makes everything
durable before it ends; none of the peers does.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from haoscar_pxe.command import run
from haoscar_pxe.config import Config, Paths
from haoscar_pxe.image.repository import Repository
from haoscar_pxe.image.signing import SigningKey, TrustedKeys
from tests.bench.measure import Measured, folder_bytes, measure
from tests.bench.receiving import Received, receive

IMAGE = "bench"


class Tool(Protocol):
    """Stores a tree, again and again, and lays down what it stored last."""

    name: str

    def store(self, tree: Path) -> Measured:
        """Store the tree as it is now."""
        ...

    def restore(self, target: Path) -> Measured:
        """Lay down what was stored last in the empty folder target, which is its own disk."""
        ...

    def repository_bytes(self) -> int:
        """What all stored versions take up together."""
        ...


@dataclass(slots=True)
class Ours:
    """`haoscar-pxe capture` and `haoscar-pxe image restore`."""

    home: Path
    name: str = "haoscar-pxe"

    def __post_init__(self) -> None:
        keys = self.home / "keys"
        keys.mkdir()
        signer = SigningKey.generate()
        signer.save(keys / "signing.key")
        (keys / "signing.pub").write_text(signer.public.encode() + "\n")
        paths = Paths(
            repository=str(self._repository), state=str(self.home / "state"), keys=str(keys)
        )
        (self.home / "state").mkdir()
        (self.home / "site.toml").write_text(Config(paths=paths).render())
        Repository.create(self._repository)

    def receive(self) -> Received:
        """Receive the newest generation over HTTP as one who holds the one before it."""
        key = SigningKey.load(self.home / "keys" / "signing.key")
        trusted = TrustedKeys.of(key.public)
        return receive(Repository.open(self._repository), trusted, IMAGE, self.home)

    @property
    def _repository(self) -> Path:
        return self.home / "repository"

    def store(self, tree: Path) -> Measured:
        """See Tool."""
        return self._command("capture", IMAGE, "--root", str(tree), "--json")

    def restore(self, target: Path) -> Measured:
        """See Tool."""
        return self._command("image", "restore", IMAGE, str(target / "tree"))

    def repository_bytes(self) -> int:
        """See Tool."""
        return folder_bytes(self._repository)

    def _command(self, *words: str) -> Measured:
        program = Path(sys.executable).with_name("haoscar-pxe")
        argv = [str(program), "--config", str(self.home / "site.toml"), *words]
        return measure(argv, self.home)


@dataclass(slots=True)
class Squashfs:
    """mksquashfs at zstd 3: a whole image each time."""

    home: Path
    name: str = "mksquashfs"

    def store(self, tree: Path) -> Measured:
        """See Tool."""
        argv = ["mksquashfs", str(tree), str(self._image), "-comp", "zstd"]
        argv += ["-Xcompression-level", "3", "-noappend", "-no-progress", "-quiet"]
        return measure(argv, self.home)

    def restore(self, target: Path) -> Measured:
        """See Tool."""
        argv = ["unsquashfs", "-no-progress", "-quiet", "-d", str(target / "tree")]
        return measure([*argv, str(self._image)], self.home)

    def repository_bytes(self) -> int:
        """See Tool."""
        return folder_bytes(self._image)

    @property
    def _image(self) -> Path:
        return self.home / "image.squashfs"


@dataclass(slots=True)
class Tar:
    """GNU tar through zstd 3 with all processors: a whole archive each time."""

    home: Path
    name: str = "tar+zstd"

    def store(self, tree: Path) -> Measured:
        """See Tool."""
        argv = ["tar", "--xattrs", "--acls", "-S", "-I", "zstd -3 -T0", "-cf", str(self._archive)]
        return measure([*argv, "-C", str(tree), "."], self.home)

    def restore(self, target: Path) -> Measured:
        """See Tool."""
        argv = ["tar", "--xattrs", "--acls", "-I", "zstd", "-xpf", str(self._archive)]
        return measure([*argv, "-C", str(target)], self.home)

    def repository_bytes(self) -> int:
        """See Tool."""
        return folder_bytes(self._archive)

    @property
    def _archive(self) -> Path:
        return self.home / "archive.tar.zst"


@dataclass(slots=True)
class Rsync:
    """rsync with everything it can keep, to a folder."""

    home: Path
    name: str = "rsync"

    def store(self, tree: Path) -> Measured:
        """See Tool."""
        copy = self.home / "copy"
        return measure(["rsync", "-aHAXS", "--delete", f"{tree}/", f"{copy}/"], self.home)

    def restore(self, target: Path) -> Measured:
        """See Tool."""
        return measure(["rsync", "-aHAXS", f"{self.home / 'copy'}/", f"{target}/"], self.home)

    def repository_bytes(self) -> int:
        """See Tool."""
        return folder_bytes(self.home / "copy")


@dataclass(slots=True)
class Borg:
    """borg without encryption, zstd 3, with its cache beside the repository."""

    home: Path
    name: str = "borg"
    _count: int = 0

    def __post_init__(self) -> None:
        self._run("init", "--encryption", "none", self._path)

    def store(self, tree: Path) -> Measured:
        """See Tool."""
        self._count += 1
        archive = f"{self._path}::{self._count}"
        return self._run("create", "--compression", "zstd,3", archive, str(tree))

    def restore(self, target: Path) -> Measured:
        """See Tool."""
        return self._run("extract", f"{self._path}::{self._count}", cwd=target)

    def repository_bytes(self) -> int:
        """See Tool."""
        return folder_bytes(self.home / "repository")

    @property
    def _path(self) -> str:
        return str(self.home / "repository")

    def _run(self, *words: str, cwd: Path | None = None) -> Measured:
        env = {
            "BORG_BASE_DIR": str(self.home),
            "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes",
        }
        return measure(["borg", *words], cwd or self.home, env, self.home / "log")


@dataclass(slots=True)
class Restic:
    """restic with its cache beside the repository."""

    home: Path
    name: str = "restic"
    _env: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._env = {
            "RESTIC_PASSWORD": "bench",
            "RESTIC_REPOSITORY": str(self.home / "repository"),
            "RESTIC_CACHE_DIR": str(self.home / "cache"),
        }
        measure(["restic", "init"], self.home, self._env)

    def store(self, tree: Path) -> Measured:
        """See Tool."""
        return measure(["restic", "-q", "backup", str(tree)], self.home, self._env)

    def restore(self, target: Path) -> Measured:
        """See Tool."""
        argv = ["restic", "-q", "restore", "latest", "--target", str(target)]
        return measure(argv, self.home, self._env)

    def repository_bytes(self) -> int:
        """See Tool."""
        return folder_bytes(self.home / "repository")


@dataclass(slots=True)
class Casync:
    """casync: an index and a store of chunks."""

    home: Path
    name: str = "casync"

    def store(self, tree: Path) -> Measured:
        """See Tool."""
        return self._run("make", str(self._index), str(tree))

    def restore(self, target: Path) -> Measured:
        """See Tool."""
        return self._run("extract", "--seed-output=no", str(self._index), str(target / "tree"))

    def repository_bytes(self) -> int:
        """See Tool."""
        return folder_bytes(self.home / "store")

    @property
    def _index(self) -> Path:
        return self.home / "tree.caidx"

    def _run(self, verb: str, *words: str) -> Measured:
        store = f"--store={self.home / 'store'}"
        return measure(["casync", verb, store, *words], self.home, log=self.home / "log")


PROGRAMS = ("mksquashfs", "unsquashfs", "tar", "zstd", "rsync", "borg", "restic", "casync")


def missing_programs() -> list[str]:
    """Which of the peers are not installed."""
    return [program for program in PROGRAMS if shutil.which(program) is None]


def versions() -> dict[str, str]:
    """What was measured, for the record."""
    asked = {"mksquashfs": "-version", "restic": "version"}
    programs = ("mksquashfs", "tar", "rsync", "borg", "restic", "casync")
    return {
        program: run([program, asked.get(program, "--version")]).text.splitlines()[0].strip()
        for program in programs
    }
