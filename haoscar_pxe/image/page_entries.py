"""Entries out of some of a generation's pages, each checked before it is given.

What `reader.entries` is for a whole generation, this is for a part of it: order, paths and values
are checked, that parents and the targets of hard links exist is not, for they may lie elsewhere.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator

from haoscar_pxe.image.entry import Entry, sort_key
from haoscar_pxe.image.manifest import Manifest, PageRef
from haoscar_pxe.image.pack import Kind
from haoscar_pxe.image.page_source import PageSource
from haoscar_pxe.image.reader import ChunkReader
from haoscar_pxe.image.store import PackStore, packs_of_kind
from haoscar_pxe.image.tree import MalformedTreeError, check_path, check_values


def page_reader(store: PackStore) -> ChunkReader:
    """A reader for pages alone: of packs with file content it reads sixteen bytes, not the index.

    Raises StorageError.
    """
    return ChunkReader(store, packs_of_kind(store, Kind.META))


def page_entries(pages: Iterable[PageRef], chunks: PageSource) -> Iterator[Entry]:
    """The entries of these pages, which must be in the order of their manifest.

    Raises MalformedTreeError or another IntegrityError, StorageError.
    """
    before: bytes | None = None
    for ref in pages:
        for entry in chunks.page(ref):
            key = sort_key(entry.path)
            if before is not None and key <= before:
                raise MalformedTreeError(entry.path, "it is not in order, or there twice")
            if entry.path:
                check_path(entry.path)
            check_values(entry)
            before = key
            yield entry


def subtree(manifest: Manifest, chunks: PageSource, path: bytes) -> Iterator[Entry]:
    """The entry at path and all below it, in order; nothing if it is not there.

    Reads only the pages that can hold them. Raises as `page_entries`.
    """
    if not path:
        yield from page_entries(manifest.pages, chunks)
        return
    key, end = sort_key(path), sort_key(path) + b"\1"
    first = max(0, bisect_right(manifest.pages, key, key=_first_key) - 1)
    last = bisect_left(manifest.pages, end, key=_first_key)
    for entry in page_entries(manifest.pages[first:last], chunks):
        if entry.path == path or entry.path.startswith(path + b"/"):
            yield entry


def _first_key(ref: PageRef) -> bytes:
    return sort_key(ref.first)
