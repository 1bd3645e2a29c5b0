"""A generation as a tar archive, streamed: nothing is laid down on a disk, memory stays bounded.

The root is "./", other names stand as they are in entries (mksquashfs knows no sparse file whose
name begins with "./"). Hard links come after what they link to, holes stay holes, times keep their
nanoseconds. What tar has no type for, sockets, is left out and named.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final, assert_never

from haoscar_pxe.image.content import spans
from haoscar_pxe.image.entry import (
    AnyFile,
    Device,
    Directory,
    Entry,
    Fifo,
    File,
    HardLink,
    Metadata,
    SealedFile,
    Socket,
    Symlink,
    stored_bytes,
)
from haoscar_pxe.image.manifest import Manifest
from haoscar_pxe.image.progress import Progress
from haoscar_pxe.image.reader import ChunkReader, entries, extents, find
from haoscar_pxe.image.tar_format import (
    Member,
    MemberType,
    encode_member,
    end_of_archive,
    padding,
    sparse_map,
    sparse_name,
    sparse_records,
)

SPARSE_BLOCK_BYTES: Final = 4096

Write = Callable[[bytes], object]


def export_tar(
    manifest: Manifest,
    chunks: ChunkReader,
    write: Write,
    progress: Progress,
    *,
    source: Iterable[Entry] | None = None,
    for_mksquashfs: bool = False,
) -> tuple[bytes, ...]:
    """Write the generation as a tar archive; the paths of what tar cannot hold.

    source: these of its entries instead of all (`closed.WithoutSealed`).
    for_mksquashfs: write around two faults of mksquashfs 4.5. It takes the first "/" off where a
    link leads when a pax record says so. And it loses its place after a sparse file unless the
    file's first block and its end are data, in whole blocks (found by trial; with these three,
    hundreds of random maps came out right).
    Raises MalformedTreeError or another IntegrityError, SealedError (no key for a file),
    StorageError, and what write raises. What was written until then is the beginning of an archive
    without its end.
    """
    left_out = []
    written = 0
    for entry in entries(manifest, chunks) if source is None else source:
        if isinstance(entry, Socket):
            left_out.append(entry.path)
            continue
        for data in _encoded(entry, manifest, chunks, for_mksquashfs):
            write(data)
            written += len(data)
        progress.advance(stored_bytes(entry))
    write(end_of_archive(written))
    return tuple(left_out)


def _encoded(
    entry: Entry, manifest: Manifest, chunks: ChunkReader, for_mksquashfs: bool
) -> Iterator[bytes]:
    """The member of an entry with its content."""
    match entry:
        case File() | SealedFile():
            yield from _file(entry, chunks, for_mksquashfs)
        case Directory():
            yield encode_member(_member(entry.path, MemberType.FOLDER, entry.meta, b"/"))
        case HardLink():
            yield encode_member(_hard_link(entry, manifest, chunks), gnu_links=for_mksquashfs)
        case Symlink():
            link = _member(entry.path, MemberType.SYMLINK, entry.meta, target=entry.target)
            yield encode_member(link, gnu_links=for_mksquashfs)
        case Device():
            yield _device(entry)
        case Fifo():
            yield encode_member(_member(entry.path, MemberType.FIFO, entry.meta))
        case Socket():
            raise AssertionError("sockets are left out before this")
        case _:
            assert_never(entry)


def _file(entry: AnyFile, chunks: ChunkReader, for_mksquashfs: bool) -> Iterator[bytes]:
    data = spans(entry)
    if for_mksquashfs and stored_bytes(entry) != entry.size_bytes:
        data = _whole_blocks(data, entry.size_bytes)
    size_bytes = sum(end - start for start, end in data)
    if size_bytes == entry.size_bytes:
        yield encode_member(_member(entry.path, MemberType.FILE, entry.meta, size_bytes=size_bytes))
    else:
        yield from _sparse_headers(entry, data, size_bytes)
    yield from _content(entry, chunks, data)
    yield padding(size_bytes)


def _sparse_headers(
    entry: AnyFile, data: Sequence[tuple[int, int]], size_bytes: int
) -> Iterator[bytes]:
    """data: (start, end) of what will follow, size_bytes in all."""
    name = _name(entry.path)
    places = [(start, end - start) for start, end in data]
    map_bytes = sparse_map(places, entry.size_bytes)
    of_member = len(map_bytes) + size_bytes
    member = _member(entry.path, MemberType.FILE, entry.meta, size_bytes=of_member)
    records = sparse_records(name, entry.size_bytes)
    yield encode_member(replace(member, name=sparse_name(name), records=records))
    yield map_bytes


def _content(
    entry: AnyFile, chunks: ChunkReader, data: Sequence[tuple[int, int]]
) -> Iterator[bytes]:
    """The bytes of these stretches, between which nothing but holes lies."""
    pieces = extents(entry, chunks)
    piece = next(pieces, None)
    for start, end in data:
        at = start
        while piece is not None and piece[0] < end:
            offset, content = piece
            yield bytes(offset - at)
            yield content
            at = offset + len(content)
            piece = next(pieces, None)
        yield bytes(end - at)


def _whole_blocks(data: Sequence[tuple[int, int]], size_bytes: int) -> list[tuple[int, int]]:
    """The stretches made larger: to whole blocks, with the file's first block and its end.

    >>> _whole_blocks([(9000, 9001)], 20_000)
    [(0, 4096), (8192, 12288), (16384, 20000)]
    """
    block = SPARSE_BLOCK_BYTES
    found: list[tuple[int, int]] = []
    for start, end in ((0, 1), *data, (size_bytes - size_bytes % block, size_bytes)):
        start -= start % block
        end = min(end + -end % block, size_bytes)
        if found and start <= found[-1][1]:
            start, before = found.pop()
            end = max(end, before)
        if start < end:
            found.append((start, end))
    return found


def _hard_link(entry: HardLink, manifest: Manifest, chunks: ChunkReader) -> Member:
    """With the metadata of what it links to, which some readers set once more."""
    target = find(manifest, chunks, entry.target)
    meta = Metadata(0, 0, 0, 0) if target is None or isinstance(target, HardLink) else target.meta
    plain = Metadata(meta.mode, meta.uid, meta.gid, meta.mtime_ns)
    name = _name(entry.target)
    return _member(entry.path, MemberType.HARD_LINK, plain, target=name)


def _device(entry: Device) -> bytes:
    kind = MemberType.BLOCK_DEVICE if entry.is_block else MemberType.CHARACTER_DEVICE
    member = _member(entry.path, kind, entry.meta)
    return encode_member(replace(member, major=entry.major, minor=entry.minor))


def _member(
    path: bytes,
    kind: MemberType,
    meta: Metadata,
    end: bytes = b"",
    *,
    target: bytes = b"",
    size_bytes: int = 0,
) -> Member:
    return Member(
        name=_name(path, end),
        type=kind,
        mode=meta.mode,
        uid=meta.uid,
        gid=meta.gid,
        mtime_ns=meta.mtime_ns,
        size_bytes=size_bytes,
        link_name=target,
        xattrs=meta.xattrs,
    )


def _name(path: bytes, end: bytes = b"") -> bytes:
    return path + end if path else b"./"
