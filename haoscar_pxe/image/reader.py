"""Reads chunks, pages and files back, from any store of packs, and trusts none of it.

Every chunk is hashed, every page must be canonical, every entry may follow the one before. Memory
is bounded: windows of packs, a few decoded pages, and the index of the packs in use.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Final

from blake3 import blake3

from haoscar_pxe.errors import IntegrityError, RepositoryError
from haoscar_pxe.image.chunk_index import ChunkIndex, Found
from haoscar_pxe.image.compression import Decompressor
from haoscar_pxe.image.entry import (
    AnyFile,
    Directory,
    Entry,
    HardLink,
    SealedFile,
    Symlink,
    chunk_ids,
    sort_key,
)
from haoscar_pxe.image.manifest import Manifest, PageRef
from haoscar_pxe.image.page_source import PageSource
from haoscar_pxe.image.sealing import NO_KEYS, OpeningKeys, sealed_error
from haoscar_pxe.image.store import PackGoneError, PackStore
from haoscar_pxe.image.tree import MalformedTreeError, TreeChecker, check_values

WINDOW_BYTES: Final = 4 << 20
"""What one request fetches: ranges of 1 MiB and more move 2 GB/s, single chunks do not."""
WINDOWS_BYTES: Final = 64 << 20
MAX_SYMLINKS: Final = 40  # as the kernel, path_resolution(7)
MAX_READ_BYTES: Final = 256 << 20
"""`read_file` is for kernels and configuration, not for databases."""


class ChunkMissingError(IntegrityError):
    """A chunk that a manifest names is in none of the packs."""

    def __init__(self, chunk_id: bytes, store: PackStore, left_out: Sequence[Exception]) -> None:
        damaged = f"; {left_out[0]}" if left_out else ""
        super().__init__(
            f"chunk {chunk_id.hex()[:12]} is not in {store!r}{damaged}",
            hint="'haoscar-pxe image verify --repair' there says what to do; a capture stores anew "
            "what the head still has",
        )


class ChunkReader(PageSource):
    """Chunks and pages out of a store. Not for use by two threads at once.

    index: what is found where; another object after the reader had to read it anew. opening: what
    opens sealed files.
    """

    def __init__(
        self,
        store: PackStore,
        pack_ids: Sequence[str] | None = None,
        *,
        opening: OpeningKeys = NO_KEYS,
        memory_bytes: int = WINDOWS_BYTES,
    ) -> None:
        """pack_ids: look only into these (None: all of the store). Raises StorageError."""
        super().__init__()
        self.store = store
        self.opening = opening
        self._load(store.pack_ids() if pack_ids is None else pack_ids)
        self._decompressor = Decompressor()
        self._windows: OrderedDict[tuple[str, int], bytes] = OrderedDict()
        self._windows_kept = max(2, memory_bytes // WINDOW_BYTES)

    def __contains__(self, chunk_id: bytes) -> bool:
        return chunk_id in self.index

    def pack_of(self, chunk_id: bytes) -> str:
        """The pack that the chunk is read from. Raises ChunkMissingError."""
        return self._find(chunk_id).pack.pack_id

    def renew(self) -> bool:
        """Read the indexes of all packs anew if some that were known are gone; whether so.

        Prune moves chunks into other packs, and a reader may be older than that.
        """
        there = self.store.pack_ids()
        if self._pack_ids <= set(there):
            return False
        self._load(there)
        return True

    def chunk(self, chunk_id: bytes) -> bytes:
        """The chunk's bytes, verified. Raises ChunkMissingError, IntegrityError, StorageError."""
        while True:
            try:
                return self._read(chunk_id)
            except PackGoneError:
                if not self.renew():
                    raise

    def _load(self, pack_ids: Sequence[str]) -> None:
        """Read the indexes of these packs; of all, if some of these go away meanwhile."""
        self._pack_ids = frozenset(pack_ids)
        self.index = ChunkIndex.of(self.store, pack_ids)
        if any(isinstance(error, PackGoneError) for error in self.index.left_out):
            self.renew()

    def _read(self, chunk_id: bytes) -> bytes:
        found = self._find(chunk_id)
        at = found.location
        data = self._decompressor.restore(at.encoding, self._stored(found), at.raw_bytes)
        if blake3(data).digest() != chunk_id:
            raise IntegrityError(
                f"chunk {chunk_id.hex()[:12]} in pack {found.pack.pack_id[:12]} is damaged",
                hint="'haoscar-pxe image verify --repair' takes the damaged pack out and keeps "
                "what is good of it",
            )
        return data

    def _find(self, chunk_id: bytes) -> Found:
        found = self.index.find(chunk_id)
        if found is None:
            raise ChunkMissingError(chunk_id, self.store, self.index.left_out)
        return found

    def _stored(self, found: Found) -> bytes:
        """The chunk's stored bytes, put together from the windows it lies in."""
        start = found.location.offset_bytes
        end = start + found.location.stored_bytes
        first, last = start // WINDOW_BYTES, (end - 1) // WINDOW_BYTES
        windows = [self._window(found, number) for number in range(first, last + 1)]
        joined = windows[0] if first == last else b"".join(windows)
        return joined[start - first * WINDOW_BYTES : end - first * WINDOW_BYTES]

    def _window(self, found: Found, number: int) -> bytes:
        key = (found.pack.pack_id, number)
        window = self._windows.get(key)
        if window is not None:
            self._windows.move_to_end(key)
            return window
        offset = number * WINDOW_BYTES
        size = min(WINDOW_BYTES, found.pack.blobs_end - offset)
        window = self._windows[key] = self.store.read(found.pack.pack_id, offset, size)
        if len(self._windows) > self._windows_kept:
            self._windows.popitem(last=False)
        return window


def entries(manifest: Manifest, chunks: PageSource) -> Iterator[Entry]:
    """All entries of a generation in their order, each checked before it is given.

    Raises MalformedTreeError or another IntegrityError as soon as something is wrong.
    """
    checker = TreeChecker()
    linkable: set[bytes] = set()
    sealed = set(manifest.sealing_keys)
    for ref in manifest.pages:
        for entry in chunks.page(ref):
            checker.check(entry)
            if isinstance(entry, SealedFile) and entry.key_id not in sealed:
                raise MalformedTreeError(entry.path, "its manifest does not name its sealing key")
            if isinstance(entry, HardLink) and entry.target not in linkable:
                check_link_target(manifest.pages, chunks, entry.path, entry.target)
                linkable = {entry.target}
            yield entry


def find(manifest: Manifest, chunks: PageSource, path: bytes) -> Entry | None:
    """The entry at path, or None; reads the one page that could hold it."""
    return _find_in(manifest.pages, chunks, path)


def resolve(manifest: Manifest, chunks: PageSource, path: bytes) -> Entry | None:
    """The entry that path leads to inside the image: symlinks are followed, ".." stays inside.

    An absolute target begins at the image's root. None where it leads nowhere or in circles.
    A HardLink is answered by the entry that it links to, under that entry's path.
    """
    todo = path.split(b"/")[::-1]
    here: list[bytes] = []
    symlinks = 0
    while todo:
        name = todo.pop()
        if name in (b"", b"."):
            continue
        if name == b"..":
            here = here[:-1]
            continue
        entry = _without_link(manifest, chunks, b"/".join((*here, name)))
        if isinstance(entry, Symlink):
            symlinks += 1
            if symlinks > MAX_SYMLINKS:
                return None
            here = [] if entry.target.startswith(b"/") else here
            todo.extend(entry.target.split(b"/")[::-1])
            continue
        if entry is None or (todo and not isinstance(entry, Directory)):
            return None
        if not todo:
            return entry
        here.append(name)
    return find(manifest, chunks, b"/".join(here))


def read_file(manifest: Manifest, chunks: ChunkReader, path: bytes) -> bytes:
    """A file's content, holes as zeros; hard links and symlinks inside the image are followed.

    Raises RepositoryError if there is no such file, or if it is larger than MAX_READ_BYTES;
    SealedError as `extents`.
    """
    entry = resolve(manifest, chunks, path)
    name = f"{manifest.image} generation {manifest.generation}"
    if not isinstance(entry, AnyFile):
        kind = "nothing" if entry is None else f"a {type(entry).__name__}"
        raise RepositoryError(f"{path!r} in {name} is {kind}, not a file")
    if entry.size_bytes > MAX_READ_BYTES:
        raise RepositoryError(f"{path!r} in {name} has {entry.size_bytes} bytes, too many to hold")
    content = bytearray(entry.size_bytes)
    for offset, data in extents(entry, chunks):
        content[offset : offset + len(data)] = data
    return bytes(content)


def extents(entry: AnyFile, chunks: ChunkReader) -> Iterator[tuple[int, bytes]]:
    """(offset, bytes) of the file's content in ascending order, without its holes.

    Raises SealedError for a sealed file whose opening key the reader was not given.
    """
    for extent in entry.extents:
        data = chunk_of(entry, extent.chunk_id, chunks)
        if len(data) != extent.size_bytes:
            raise MalformedTreeError(
                entry.path, f"a chunk has {len(data)} bytes, not {extent.size_bytes}"
            )
        yield extent.offset_bytes, data


def chunk_of(entry: AnyFile, chunk_id: bytes, chunks: ChunkReader) -> bytes:
    """The bytes of one of the file's chunks, opened where it is sealed. Raises as `extents`."""
    if not isinstance(entry, SealedFile):
        return chunks.chunk(chunk_id)
    if chunks.opening.missing((entry.key_id,)):
        raise sealed_error(entry.path, entry.key_id)
    return chunks.opening.open(entry.key_id, chunks.chunk(chunk_id))


def packs_of(manifest: Manifest, chunks: ChunkReader) -> list[str]:
    """Ids of the packs that hold all the generation needs, ascending. Reads every page."""
    chunks.renew()
    needed = {chunks.pack_of(ref.chunk_id) for ref in manifest.pages}
    for entry in entries(manifest, chunks):
        needed.update(map(chunks.pack_of, chunk_ids(entry)))
    return sorted(needed)


def check_link_target(
    pages: Sequence[PageRef], chunks: PageSource, path: bytes, target: bytes
) -> None:
    """Raise MalformedTreeError unless target is an entry that a hard link may lead to."""
    found = _find_in(pages, chunks, target)
    if found is None or isinstance(found, Directory | HardLink):
        raise MalformedTreeError(path, f"it links to {target[:200]!r}, which cannot be linked to")


def _without_link(manifest: Manifest, chunks: PageSource, path: bytes) -> Entry | None:
    entry = find(manifest, chunks, path)
    return find(manifest, chunks, entry.target) if isinstance(entry, HardLink) else entry


def _find_in(pages: Sequence[PageRef], chunks: PageSource, path: bytes) -> Entry | None:
    key = sort_key(path)
    number = bisect_right(pages, key, key=lambda ref: sort_key(ref.first)) - 1
    if number < 0:
        return None
    page = chunks.page(pages[number])
    at = bisect_right(page, key, key=lambda entry: sort_key(entry.path)) - 1
    if at < 0 or page[at].path != path:
        return None
    check_values(page[at])
    return page[at]
