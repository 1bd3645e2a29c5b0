"""What lies directly in a folder of a generation, without reading what lies deeper.

The cost grows with the folder's own names and a binary search for each, not with its subtrees.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator

from haoscar_pxe.image.entry import Entry, sort_key
from haoscar_pxe.image.manifest import Manifest
from haoscar_pxe.image.reader import ChunkReader


def children(manifest: Manifest, chunks: ChunkReader, folder: bytes) -> Iterator[Entry]:
    """The entries of a folder in their order; none if there is no such folder.

    Raises IntegrityError or StorageError as reading a page does.
    """
    prefix = sort_key(folder) + b"\0" if folder else b""
    entry = _first_after(manifest, chunks, prefix)
    while entry is not None and sort_key(entry.path).startswith(prefix):
        if entry.path:
            yield entry
        past_subtree = sort_key(entry.path) + b"\1" if entry.path else b"\0"
        entry = _first_after(manifest, chunks, past_subtree)


def _first_after(manifest: Manifest, chunks: ChunkReader, key: bytes) -> Entry | None:
    """The first entry whose key is not below `key`; a subtree's keys go on with a NUL."""
    pages = manifest.pages
    number = max(0, bisect_right(pages, key, key=lambda ref: sort_key(ref.first)) - 1)
    for ref in pages[number : number + 2]:
        page = chunks.page(ref)
        at = bisect_left(page, key, key=lambda entry: sort_key(entry.path))
        if at < len(page):
            return page[at]
    return None
