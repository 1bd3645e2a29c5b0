"""What changed from one generation to another, by content, reading only pages that differ.

Generations share the pages in which nothing changed, and a page that both have holds the same
entries for both: it is never read. What is left is merged by path. So the cost grows with the
pages that differ, not with the image; what two file systems do to the same bytes (other holes,
other cuts) is told apart from a change of content by reading those files, and only those.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from msgspec import structs

from haoscar_pxe.errors import SealedError
from haoscar_pxe.image.compare import Aspect
from haoscar_pxe.image.content import spans
from haoscar_pxe.image.entry import (
    AnyFile,
    Device,
    Entry,
    HardLink,
    Metadata,
    Symlink,
    chunk_ids,
    sort_key,
    stored_bytes,
)
from haoscar_pxe.image.file_content import is_same_content
from haoscar_pxe.image.layout import DiskLayout, FileSystem, Partition
from haoscar_pxe.image.manifest import Manifest, PageRef
from haoscar_pxe.image.page_entries import page_entries
from haoscar_pxe.image.progress import Progress
from haoscar_pxe.image.reader import ChunkReader

Kind: TypeAlias = Literal["added", "removed", "changed"]


@dataclass(frozen=True, slots=True)
class Change:
    """One path that is not the same in both generations.

    entry_type: of the newer entry ("File"), of the older where it was removed. aspects: in what a
    changed entry differs; "content" only if bytes differ, "closed" where no opening key tells
    whether they do. size_bytes: of a file now (removed: as
    it was). new_bytes: of its chunks that the older file at this path does not have.
    """

    path: bytes
    kind: Kind
    entry_type: str
    aspects: tuple[Aspect, ...] = ()
    size_bytes: int = 0
    new_bytes: int = 0


def diff(
    older: Manifest,
    newer: Manifest,
    pages: ChunkReader,
    contents: Callable[[], ChunkReader],
    progress: Progress,
) -> Iterator[Change]:
    """Every change, in the order of paths. pages: see `page_reader`.

    contents: makes a reader of all packs; asked only when content must be looked at.
    Raises MalformedTreeError or another IntegrityError, StorageError.
    """
    left, right = differing_pages(older, newer)
    merged = _merge(_counted(left, pages, progress), _counted(right, pages, progress))
    for before, after in merged:
        change = _change(before, after, contents)
        if change is not None:
            yield change


def differing_pages(
    older: Manifest, newer: Manifest
) -> tuple[tuple[PageRef, ...], tuple[PageRef, ...]]:
    """The pages that only one of the two has: the older's, the newer's."""
    ids = [{page.chunk_id for page in manifest.pages} for manifest in (older, newer)]
    shared = ids[0] & ids[1]
    left, right = (
        tuple(page for page in manifest.pages if page.chunk_id not in shared)
        for manifest in (older, newer)
    )
    return left, right


def is_layout_changed(older: Manifest, newer: Manifest) -> bool:
    """Whether disks or boot differ; not how full they were, nor plain defaults of bare trees."""
    if older.layout.is_default and newer.layout.is_default:
        return False
    return _without_usage(older.layout) != _without_usage(newer.layout)


def _without_usage(layout: DiskLayout) -> DiskLayout:
    disks = [
        structs.replace(disk, partitions=tuple(map(_unused, disk.partitions)))
        for disk in layout.disks
    ]
    return structs.replace(layout, disks=tuple(disks))


def _unused(partition: Partition) -> Partition:
    content = partition.content
    if isinstance(content, FileSystem):
        content = structs.replace(content, used_bytes=0)
    return structs.replace(partition, content=content)


def _counted(
    pages: tuple[PageRef, ...], chunks: ChunkReader, progress: Progress
) -> Iterator[Entry]:
    for entry in page_entries(pages, chunks):
        yield entry
        progress.advance(0)


def _merge(
    older: Iterator[Entry], newer: Iterator[Entry]
) -> Iterator[tuple[Entry | None, Entry | None]]:
    """Both sequences as pairs by path; None where a side has no entry of that path."""
    before, after = next(older, None), next(newer, None)
    while before is not None or after is not None:
        order = _order(before, after)
        yield (before if order <= 0 else None), (after if order >= 0 else None)
        before = next(older, None) if order <= 0 else before
        after = next(newer, None) if order >= 0 else after


def _order(before: Entry | None, after: Entry | None) -> int:
    """-1, 0 or 1, as before comes first, both are at one path, or after comes first."""
    if before is None or after is None:
        return 1 if before is None else -1
    one, other = sort_key(before.path), sort_key(after.path)
    return (one > other) - (one < other)


def _change(
    before: Entry | None, after: Entry | None, contents: Callable[[], ChunkReader]
) -> Change | None:
    if after is None:
        return _whole("removed", before) if before else None
    if before is None:
        return _whole("added", after)
    if before == after:
        return None
    aspects = tuple(_aspects(before, after, contents))
    if not aspects:  # cut into other chunks, and yet the same
        return None
    name, size = type(after).__name__, _size(after)
    return Change(after.path, "changed", name, aspects, size, _new_bytes(before, after))


def _whole(kind: Kind, entry: Entry) -> Change:
    new_bytes = stored_bytes(entry) if kind == "added" else 0
    return Change(entry.path, kind, type(entry).__name__, (), _size(entry), new_bytes)


def _aspects(before: Entry, after: Entry, contents: Callable[[], ChunkReader]) -> Iterator[Aspect]:
    """In what two entries at one path differ."""
    if isinstance(before, HardLink) or isinstance(after, HardLink):
        yield "links"
        return
    if isinstance(before, AnyFile) and isinstance(after, AnyFile):
        yield from _contents(before, after, contents)
    elif type(before) is not type(after):
        yield "type"
        return
    else:
        yield from _specifics(before, after)
    yield from _metadata(before.meta, after.meta)


def _contents(
    before: AnyFile, after: AnyFile, contents: Callable[[], ChunkReader]
) -> Iterator[Aspect]:
    """What only files have. One that was merely sealed anew is the same."""
    if type(before) is not type(after):
        yield "sealed"
    if before.size_bytes != after.size_bytes:
        yield "content"
    elif before.extents != after.extents:
        try:
            is_same = is_same_content(before, after, contents)
        except SealedError:
            yield "closed"
            return
        if not is_same:
            yield "content"
        elif spans(before) != spans(after):
            yield "holes"


def _specifics(before: Entry, after: Entry) -> Iterator[Aspect]:
    """What only one type of entry has."""
    match before, after:
        case Symlink(), Symlink() if before.target != after.target:
            yield "target"
        case Device(), Device() if _device(before) != _device(after):
            yield "device"


def _metadata(before: Metadata, after: Metadata) -> Iterator[Aspect]:
    if before.mode != after.mode:
        yield "mode"
    if (before.uid, before.gid) != (after.uid, after.gid):
        yield "owner"
    if before.mtime_ns != after.mtime_ns:
        yield "mtime"
    if before.xattrs != after.xattrs:
        yield "xattrs"


def _new_bytes(before: Entry, after: Entry) -> int:
    if not isinstance(after, AnyFile):
        return 0
    had = set(chunk_ids(before))
    return sum(each.size_bytes for each in after.extents if each.chunk_id not in had)


def _device(entry: Device) -> tuple[bool, int, int]:
    return entry.is_block, entry.major, entry.minor


def _size(entry: Entry) -> int:
    return entry.size_bytes if isinstance(entry, AnyFile) else 0
