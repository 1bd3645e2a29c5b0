"""Repositories as a hostile writer with a trusted key makes them: signed, hashed, and wrong.

It writes what docs/repository.md says without the product's writer, which would refuse.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import zstandard
from blake3 import blake3

from haoscar_pxe.image.canonical import encode
from haoscar_pxe.image.compression import Encoding
from haoscar_pxe.image.entry import Directory, Entry, Metadata
from haoscar_pxe.image.layout import Boot, DiskLayout
from haoscar_pxe.image.manifest import PageRef, Root, seal
from haoscar_pxe.image.pack import HEADER, Kind, Location, encode_header, encode_tail
from haoscar_pxe.image.repository import Repository
from tests.faults.ground import IMAGE, KEY

META = Metadata(0o755, 0, 0, 0)
ROOT = Directory(b"", META)


@dataclass(slots=True)
class ForgedPack:
    """A pack whose rows say whatever they are told to."""

    kind: Kind
    rows: dict[bytes, Location] = field(default_factory=dict)
    blobs: bytearray = field(default_factory=bytearray)

    def add(
        self,
        data: bytes,
        *,
        stored: bytes | None = None,
        encoding: Encoding = Encoding.RAW,
        raw_bytes: int | None = None,
    ) -> bytes:
        """A chunk's id; stored, encoding and raw_bytes may lie about it."""
        chunk_id = blake3(data).digest()
        kept = data if stored is None else stored
        raw = len(data) if raw_bytes is None else raw_bytes
        at = HEADER.size + len(self.blobs)
        self.rows[chunk_id] = Location(at, len(kept), raw, encoding)
        self.blobs += kept
        return chunk_id

    def encode(self) -> bytes:
        """The pack's file."""
        end = HEADER.size + len(self.blobs)
        return encode_header(self.kind) + bytes(self.blobs) + encode_tail(self.rows, end)


@dataclass(slots=True)
class Forgery:
    """A repository in which one generation after the other is forged."""

    repository: Repository

    def put_pack(self, content: bytes) -> None:
        """Put a pack under the name that its content has."""
        path = self.repository.store.pack_path(blake3(content).hexdigest())
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)

    def put_entries(self, entries: Sequence[Entry], *data: bytes) -> None:
        """One generation of these entries, a page for each 2,048; data: contents of files."""
        pack, refs = ForgedPack(Kind.META), []
        for start in range(0, len(entries), 2048):
            some = entries[start : start + 2048]
            refs.append(PageRef(some[0].path, pack.add(encode(tuple(some))), len(some)))
        self.put_pack(pack.encode())
        if data:
            contents = ForgedPack(Kind.DATA)
            for each in data:
                contents.add(each)
            self.put_pack(contents.encode())
        self.put_manifest(refs)

    def put_page(self, page: bytes, count: int) -> None:
        """One generation that consists of this page, compressed."""
        pack = ForgedPack(Kind.META)
        stored = zstandard.ZstdCompressor().compress(page)
        is_smaller = len(stored) < len(page)
        encoding = Encoding.ZSTD if is_smaller else Encoding.RAW
        chunk_id = pack.add(page, stored=stored if is_smaller else page, encoding=encoding)
        self.put_pack(pack.encode())
        self.put_manifest([PageRef(b"", chunk_id, count)])

    def put_manifest(self, refs: Sequence[PageRef], **fields: object) -> None:
        """Sign and publish generation 1 with these pages; fields: of the root that lie."""
        folder = self.repository.path / "images" / IMAGE
        folder.mkdir(exist_ok=True)
        (folder / "1.manifest").write_bytes(seal(root(refs, **fields), KEY))


def forge(folder: Path) -> Forgery:
    """An empty repository to forge in."""
    return Forgery(Repository.create(folder))


def root(refs: Sequence[PageRef], **fields: object) -> Root:
    """The record of a generation with these pages."""
    values: dict[str, object] = {
        "created_ns": 1,
        "host_name": "primary",
        "consistency": "tree",
        "layout": DiskLayout(
            disks=(), boot=Boot(firmware="bios", loader="none", kernel_release="")
        ),
        "format": 1,
        "image": IMAGE,
        "generation": 1,
        "parent": "",
        "tool_version": "0",
        "entry_count": sum(ref.entry_count for ref in refs),
        "logical_bytes": 0,
        "stored_bytes": 0,
        "packed_bytes": 0,
        "sealed_files": 0,
        "sealing_keys": (),
        "pages": tuple(refs),
    }
    return Root(**{**values, **fields})  # type: ignore[arg-type]
