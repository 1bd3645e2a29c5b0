"""What a standby's tree shall be: the entries of a generation under the node's identity. Pure.

The identity's files stand where the image's own were, so that one comparison with the tree tells
all that is to be done, and a declared file is kept like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from blake3 import blake3
from msgspec.structs import replace

from haoscar_pxe.image.entry import (
    AnyFile,
    Directory,
    Entry,
    Extent,
    File,
    HardLink,
    Metadata,
    parents,
    sort_key,
)
from haoscar_pxe.image.manifest import Manifest
from haoscar_pxe.image.reader import entries, find
from haoscar_pxe.install.sync.fetching import Fetching
from haoscar_pxe.nodes.order import IdentityChange

NEW_FOLDER_MODE: Final = 0o755

Find: TypeAlias = Callable[[bytes], Entry | None]
"""The entry of the generation at a path."""


@dataclass(frozen=True, slots=True)
class Declared:
    """The identity of a node, ready to stand in for entries.

    content: by chunk id; every file of the identity is one chunk. paths: of all changes.
    """

    changes: tuple[IdentityChange, ...]
    content: dict[bytes, bytes]
    paths: frozenset[bytes]

    @classmethod
    def of(cls, changes: Sequence[IdentityChange]) -> Declared:
        """From the changes of an order."""
        bodies = [change.content for change in changes if change.content]
        ordered = tuple(sorted(changes, key=lambda change: sort_key(change.path)))
        return cls(
            changes=ordered,
            content={blake3(body).digest(): body for body in bodies},
            paths=frozenset(change.path for change in changes),
        )


def wanted_entries(
    image: Iterable[Entry], declared: Declared, look_up: Find, made_ns: int
) -> Iterator[Entry]:
    """The image's entries, in order, with the identity in the place of what it replaces.

    look_up: finds an entry of the same generation. made_ns: the mtime of the identity's files.
    """
    standing_in = _Overlay(declared, look_up, made_ns)
    for entry in image:
        yield from standing_in.before(entry.path)
        if entry.path in declared.paths:
            yield from standing_in.instead_of(entry)
        else:
            yield standing_in.relinked(entry)
    yield from standing_in.rest()


class _Overlay:
    """A merge of entries with changes, both in their order."""

    def __init__(self, declared: Declared, look_up: Find, made_ns: int) -> None:
        self._waiting = list(reversed(declared.changes))
        self._find = look_up
        self._made_ns = made_ns
        self._first_names: dict[bytes, bytes] = {}
        self._declared = declared.paths
        self._folders: set[bytes] = set()

    def before(self, path: bytes) -> Iterator[Entry]:
        """The declared files that come before a path and that the image has not."""
        while self._waiting and sort_key(self._waiting[-1].path) < sort_key(path):
            yield from self._added(self._waiting.pop())

    def rest(self) -> Iterator[Entry]:
        """The declared files that come after the last entry."""
        while self._waiting:
            yield from self._added(self._waiting.pop())

    def instead_of(self, entry: Entry) -> Iterator[Entry]:
        """What stands where the image has this entry."""
        change = self._waiting.pop()
        if change.content is not None:
            yield self._file(change, self._metadata(entry))

    def relinked(self, entry: Entry) -> Entry:
        """The entry; a hard link to a declared file keeps the image's content, as at an install."""
        if not isinstance(entry, HardLink) or entry.target not in self._declared:
            return entry
        first = self._first_names.setdefault(entry.target, entry.path)
        if first != entry.path:
            return HardLink(entry.path, first)
        original = self._find(entry.target)
        assert original is not None
        assert not isinstance(original, HardLink)
        return replace(original, path=entry.path)

    def _added(self, change: IdentityChange) -> Iterator[Entry]:
        if change.content is None:
            return
        for folder in reversed(list(parents(change.path))):
            if folder not in self._folders and self._find(folder) is None:
                yield Directory(folder, Metadata(NEW_FOLDER_MODE, 0, 0, self._made_ns))
            self._folders.add(folder)
        yield self._file(change, None)

    def _metadata(self, entry: Entry) -> Metadata | None:
        """Of the file that is replaced; None where it is none."""
        found = self._find(entry.target) if isinstance(entry, HardLink) else entry
        return found.meta if isinstance(found, AnyFile) else None

    def _file(self, change: IdentityChange, old: Metadata | None) -> File:
        body = change.content or b""
        meta = old or Metadata(change.mode, 0, 0, 0)
        extents = (Extent(0, len(body), blake3(body).digest()),) if body else ()
        return File(change.path, replace(meta, mtime_ns=self._made_ns), len(body), extents)


@dataclass(frozen=True, slots=True)
class Goal:
    """A generation under a node's identity: what its standby is, was, or shall be.

    source: reads the generation's pages and content.
    """

    manifest: Manifest
    source: Fetching
    declared: Declared

    def entries(self) -> Iterator[Entry]:
        """What the tree shall hold, in order. Raises IntegrityError, StorageError."""
        found = entries(self.manifest, self.source)
        return wanted_entries(found, self.declared, self._find, self.manifest.created_ns)

    def free_times(self) -> frozenset[bytes]:
        """Paths whose mtime is nobody's word: the declared files, and folders made for them."""
        folders = {folder for path in self.declared.paths for folder in parents(path)}
        return self.declared.paths | {each for each in folders if self._find(each) is None}

    def _find(self, path: bytes) -> Entry | None:
        return find(self.manifest, self.source, path)
