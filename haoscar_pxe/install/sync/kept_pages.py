"""The pages of the generation that a standby has, kept on it: the next sync needs not fetch them.

    /var/lib/haoscar-pxe-standby/pages/<2 hex>/<pack id>.pack     packs of pages, as in a repository

A cache: whatever is missing or damaged is fetched.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from haoscar_pxe.errors import HaoscarError
from haoscar_pxe.image.durable import storage_errors
from haoscar_pxe.image.manifest import Manifest
from haoscar_pxe.image.pack import Kind
from haoscar_pxe.image.pack_writer import PackWriter
from haoscar_pxe.image.page_source import PageSource
from haoscar_pxe.image.reader import ChunkReader
from haoscar_pxe.image.store import FolderStore

FOLDER = "pages"


def read_kept(own: Path) -> ChunkReader | None:
    """What is kept in the standby's own folder; None if that is nothing to be used."""
    try:
        return ChunkReader(FolderStore(own / FOLDER))
    except HaoscarError:
        return None


def keep(own: Path, manifest: Manifest, pages: PageSource) -> None:
    """Keep the pages of a generation and no others. Raises StorageError, IntegrityError."""
    half, folder = own / f"{FOLDER}.new", own / FOLDER
    with storage_errors("keep pages in", folder):
        shutil.rmtree(half, ignore_errors=True)
        half.mkdir(mode=0o700)
        writer = PackWriter(half, Kind.META)
        try:
            for ref in manifest.pages:
                writer.add(ref.chunk_id, pages.chunk(ref.chunk_id))
            writer.close()
        except BaseException:
            writer.abandon()
            raise
        writer.publish(FolderStore(half))
        shutil.rmtree(folder, ignore_errors=True)
        half.rename(folder)
