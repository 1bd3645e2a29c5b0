"""How many bytes of content one generation has that another lacks, by chunk ids alone."""

from __future__ import annotations

from haoscar_pxe.image.diff import differing_pages
from haoscar_pxe.image.entry import AnyFile
from haoscar_pxe.image.manifest import Manifest, PageRef
from haoscar_pxe.image.page_entries import page_entries
from haoscar_pxe.image.reader import ChunkReader


def new_bytes(older: Manifest, newer: Manifest, pages: ChunkReader) -> int:
    """Bytes of the newer's chunks that are in none of the older's pages that it does not share.

    Uncompressed, each chunk once. What moved into a page that both share counts as new, so this
    is never too small. Raises IntegrityError, StorageError.
    """
    left, right = differing_pages(older, newer)
    there = _chunks(left, pages)
    return sum(size for chunk_id, size in _chunks(right, pages).items() if chunk_id not in there)


def _chunks(pages: tuple[PageRef, ...], reader: ChunkReader) -> dict[bytes, int]:
    return {
        extent.chunk_id: extent.size_bytes
        for entry in page_entries(pages, reader)
        if isinstance(entry, AnyFile)
        for extent in entry.extents
    }
