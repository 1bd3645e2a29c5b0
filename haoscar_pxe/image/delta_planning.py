"""Chooses the pieces of a delta: which new chunks go together, and what they are like in A.

New content is most like the content that the same file had. Between two chunks that both versions
of a file share, the old chunks between them are the reference of the new ones. A file that is new
is held against one of A whose name differs in numbers only (libfoo.so.1.2.3, vmlinuz-6.1.0-18).
Small files share pieces, so that their references and what they have in common are used together.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final

from haoscar_pxe.image.delta import PIECE_BYTES, REFERENCE_BYTES, Sized
from haoscar_pxe.image.diff import differing_pages
from haoscar_pxe.image.entry import AnyFile, Extent, File, SealedFile, chunk_ids, sort_key
from haoscar_pxe.image.manifest import Manifest, PageRef
from haoscar_pxe.image.page_entries import page_entries
from haoscar_pxe.image.page_source import PageSource
from haoscar_pxe.image.reader import ChunkReader
from haoscar_pxe.image.sealing import OVERHEAD_BYTES

NUMBERS: Final = re.compile(rb"[0-9]+")
MARGIN_CHUNKS: Final = 1
"""So many chunks that both versions share, on either side of a change, are reference too."""


@dataclass(frozen=True, slots=True)
class PlannedPiece:
    """A piece before it is compressed."""

    chunks: tuple[Sized, ...]
    references: tuple[Sized, ...]


def plan_delta(older: Manifest, newer: Manifest, chunks: ChunkReader) -> Iterator[PlannedPiece]:
    """The pieces of a delta, pages first, then content in the order of paths.

    chunks: of both generations. Raises IntegrityError, StorageError.
    """
    left, right = differing_pages(older, newer)
    yield from _pages(left, right, chunks)
    content = _Content(older, left, right, chunks)
    yield from _packed(content.new_runs())
    yield from _packed(content.new_boxes())


@dataclass(frozen=True, slots=True)
class _Run:
    """New chunks that stay together, and what they are held against."""

    chunks: tuple[Sized, ...]
    references: tuple[Sized, ...] = ()


@dataclass(slots=True)
class _Open:
    """A piece that is being filled; dictionaries, because each chunk is in it once."""

    chunks: dict[bytes, Sized] = field(default_factory=dict)
    references: dict[bytes, Sized] = field(default_factory=dict)
    chunk_bytes: int = 0
    reference_bytes: int = 0

    def has_room_for(self, run: _Run) -> bool:
        more = sum(each.size_bytes for each in run.chunks)
        refs = sum(r.size_bytes for r in run.references if r.chunk_id not in self.references)
        return not self.chunks or (
            self.chunk_bytes + more <= PIECE_BYTES
            and self.reference_bytes + refs <= REFERENCE_BYTES
        )

    def add(self, run: _Run) -> None:
        for each in run.chunks:
            self.chunks[each.chunk_id] = each
            self.chunk_bytes += each.size_bytes
        for each in run.references:
            if each.chunk_id not in self.references:
                self.references[each.chunk_id] = each
                self.reference_bytes += each.size_bytes

    def closed(self) -> PlannedPiece:
        return PlannedPiece(tuple(self.chunks.values()), tuple(self.references.values()))


def _packed(runs: Iterable[_Run]) -> Iterator[PlannedPiece]:
    """Runs put together as long as a piece has room."""
    piece = _Open()
    for run in runs:
        if not piece.has_room_for(run):
            yield piece.closed()
            piece = _Open()
        piece.add(run)
    if piece.chunks:
        yield piece.closed()


def _pages(
    left: Sequence[PageRef], right: Sequence[PageRef], chunks: ChunkReader
) -> Iterator[PlannedPiece]:
    """New pages against the old ones that cover the same paths."""
    firsts = [sort_key(ref.first) for ref in left]

    def runs() -> Iterator[_Run]:
        for ref in right:
            last = chunks.page(ref)[-1].path
            begin = max(0, bisect_right(firsts, sort_key(ref.first)) - 1)
            end = bisect_right(firsts, sort_key(last))
            references = _within(_sized(each.chunk_id, chunks) for each in left[begin:end])
            yield _Run((_sized(ref.chunk_id, chunks),), references)

    yield from _packed(runs())


def _sized(chunk_id: bytes, chunks: ChunkReader) -> Sized:
    found = chunks.index.find(chunk_id)
    return Sized(chunk_id, found.location.raw_bytes if found else len(chunks.chunk(chunk_id)))


def _within(references: Iterable[Sized]) -> tuple[Sized, ...]:
    """As many as fit into the references of a piece."""
    found: list[Sized] = []
    left = REFERENCE_BYTES
    for each in references:
        left -= each.size_bytes
        if left < 0:
            break
        found.append(each)
    return tuple(found)


class _Content:
    """The content of the pages that only the newer generation has."""

    def __init__(
        self,
        older: Manifest,
        left: Sequence[PageRef],
        right: Sequence[PageRef],
        chunks: ChunkReader,
    ) -> None:
        self._right = right
        self._chunks = chunks
        before = [each for each in page_entries(left, chunks) if isinstance(each, AnyFile)]
        self._known = {chunk_id for entry in before for chunk_id in chunk_ids(entry)}
        self._by_path = {each.path: each for each in before if isinstance(each, File)}
        self._by_name: dict[bytes, File] = {}
        self._find_elsewhere(older, {page.chunk_id for page in left}, before)

    def new_runs(self) -> Iterator[_Run]:
        """Runs of new chunks of plain files, in the order of paths, each chunk once."""
        for entry in page_entries(self._right, self._chunks):
            if isinstance(entry, File):
                yield from _runs(entry, self._known, self._counterpart(entry))
                self._known.update(chunk_ids(entry))

    def new_boxes(self) -> Iterator[_Run]:
        """Sealed chunks are like nothing else, not even like themselves the time before."""
        for entry in page_entries(self._right, self._chunks):
            if isinstance(entry, SealedFile):
                for each in entry.extents:
                    if each.chunk_id not in self._known:
                        self._known.add(each.chunk_id)
                        yield _Run((Sized(each.chunk_id, each.size_bytes + OVERHEAD_BYTES),))

    def _counterpart(self, entry: File) -> File | None:
        return self._by_path.get(entry.path) or self._by_name.get(_name(entry.path))

    def _find_elsewhere(self, older: Manifest, left: set[bytes], before: Sequence[AnyFile]) -> None:
        """Look through the pages that did not change, if files came that were not there before.

        Content that one of them has is not new, and a file there may be the counterpart of a new
        one. What is kept grows with what is new, not with the generation.
        """
        files = (e for e in page_entries(self._right, self._chunks) if isinstance(e, File))
        added = [each for each in files if each.path not in self._by_path]
        names = {_name(each.path) for each in added}
        wanted = {chunk_id for each in added for chunk_id in chunk_ids(each)} - self._known
        shared = [ref for ref in older.pages if ref.chunk_id not in left] if wanted else []
        for entries in (before, _files(shared, self._chunks)):
            for entry in entries:
                if isinstance(entry, File) and (name := _name(entry.path)) in names:
                    self._by_name[name] = entry
                self._known.update(wanted.intersection(chunk_ids(entry)))


def _files(pages: Iterable[PageRef], chunks: PageSource) -> Iterator[AnyFile]:
    return (each for each in page_entries(pages, chunks) if isinstance(each, AnyFile))


def _name(path: bytes) -> bytes:
    """What files of two versions have in common.

    >>> _name(b"boot/vmlinuz-6.1.0-18-amd64") == _name(b"boot/vmlinuz-6.1.0-9-amd64")
    True
    """
    return NUMBERS.sub(b"#", path)


def _runs(entry: File, known: set[bytes], old: File | None) -> Iterator[_Run]:
    """The file's new chunks, neighbours together, cut where a piece is full."""
    at = {each.chunk_id: number for number, each in enumerate(old.extents)} if old else {}
    position = 0
    for is_new, group in groupby(
        enumerate(entry.extents), lambda pair: pair[1].chunk_id not in known
    ):
        extents = list(group)
        if not is_new:
            continue
        first, last = extents[0][0], extents[-1][0]
        before = entry.extents[first - 1] if first else None
        after = entry.extents[last + 1] if last + 1 < len(entry.extents) else None
        begin = at.get(before.chunk_id, position) if before else 0
        end = at.get(after.chunk_id, -1) if after else -1
        span = old.extents[max(0, begin - MARGIN_CHUNKS) :] if old else ()
        if end >= begin:
            span = span[: end + 1 + MARGIN_CHUNKS - max(0, begin - MARGIN_CHUNKS)]
            position = end
        yield from _cut([extent for _, extent in extents], span)


def _cut(new: Sequence[Extent], old: Sequence[Extent]) -> Iterator[_Run]:
    """A run in parts of a piece's size, each with the part of the old chunks that lies like it."""
    total = sum(each.size_bytes for each in new)
    done = 0
    part: list[Extent] = []
    part_bytes = 0
    for each in new:
        if part and part_bytes + each.size_bytes > PIECE_BYTES:
            yield _part(part, old, (done + part_bytes / 2) / total)
            done, part, part_bytes = done + part_bytes, [], 0
        part.append(each)
        part_bytes += each.size_bytes
    yield _part(part, old, (done + part_bytes / 2) / total)


def _part(new: Sequence[Extent], old: Sequence[Extent], middle: float) -> _Run:
    """middle: where in the run this part has its middle, 0 to 1."""
    chunks = {each.chunk_id: Sized(each.chunk_id, each.size_bytes) for each in new}
    centre = middle * sum(each.size_bytes for each in old)
    offset = 0
    references: dict[bytes, Sized] = {}
    left = REFERENCE_BYTES
    fits = sum(each.size_bytes for each in old) <= REFERENCE_BYTES
    for each in old:
        is_near = abs(offset + each.size_bytes / 2 - centre) <= REFERENCE_BYTES / 2
        offset += each.size_bytes
        if (fits or is_near) and each.chunk_id not in references and each.size_bytes <= left:
            references[each.chunk_id] = Sized(each.chunk_id, each.size_bytes)
            left -= each.size_bytes
    return _Run(tuple(chunks.values()), tuple(references.values()))
