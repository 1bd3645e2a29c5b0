"""The signed record of one generation, and the envelope that its file consists of.

File: magic "HXMANIF\\x01" (8) | key id (32) | Ed25519 signature (64) | payload (canonical
MessagePack of `Root`). The signature covers SIGNED_PREFIX + payload. The manifest's id is the
BLAKE3 of the whole file, in hexadecimal. It names pages (see `page.py`), not entries, so that two
generations share what did not change.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Final, Literal, TypeAlias, cast

import msgspec
from blake3 import blake3
from msgspec import Struct

from haoscar_pxe.errors import IntegrityError
from haoscar_pxe.image.canonical import Canonical, encode
from haoscar_pxe.image.entry import CHUNK_ID_BYTES, sort_key
from haoscar_pxe.image.layout import DiskLayout
from haoscar_pxe.image.signing import KEY_ID_BYTES, SIGNATURE_BYTES, SigningKey, TrustedKeys

MAGIC: Final = b"HXMANIF\x01"
FORMAT: Final = 1
SIGNED_PREFIX: Final = b"haoscar-pxe manifest 1\0"
ENVELOPE_BYTES: Final = len(MAGIC) + KEY_ID_BYTES + SIGNATURE_BYTES
MAX_MANIFEST_BYTES: Final = 64 << 20
"""Room for the pages of 500 million entries; a larger file is refused before it is read."""

Consistency: TypeAlias = Literal["snapshot", "mixed", "live", "tree"]


class PageRef(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One page: first is the path of its first entry, chunk_id names its bytes."""

    first: bytes
    chunk_id: bytes
    entry_count: int


class Record(Struct, frozen=True, kw_only=True):
    """What capture knows about a generation besides its entries.

    created_ns: nanoseconds since 1970 when the capture began. unstable: paths of files that never
    held still while they were read. consistency: all from a "snapshot" of storage, "mixed" from
    snapshots and live files, of a "live" head, or a "tree" in which nothing ran.
    """

    created_ns: int
    host_name: str
    consistency: Consistency
    layout: DiskLayout
    unstable: tuple[bytes, ...] = ()


class Root(Record, frozen=True, kw_only=True):
    """What is signed.

    parent: id of the generation's predecessor, "" for the first. logical_bytes: sum of file sizes,
    holes counted. stored_bytes: sum of content without holes, what a disk must hold.
    packed_bytes: of the packs that this generation added to the repository. sealed_files: how many
    entries are sealed; sealing_keys: the ids of the keys they were sealed by, ascending.
    """

    format: int
    image: str
    generation: int
    parent: str
    tool_version: str
    entry_count: int
    logical_bytes: int
    stored_bytes: int
    packed_bytes: int
    sealed_files: int
    sealing_keys: tuple[bytes, ...]
    pages: tuple[PageRef, ...]


class Manifest(Root, frozen=True, kw_only=True):
    """A verified manifest: what was signed, its id, and which key signed it (hexadecimal)."""

    id: str
    signed_by: str


_root = Canonical(Root, "manifest")


def seal(root: Root, signer: SigningKey) -> bytes:
    """The bytes of the manifest's file."""
    payload = encode(root)
    signature = signer.sign(SIGNED_PREFIX + payload)
    return MAGIC + signer.public.key_id + signature + payload


def open_manifest(sealed: bytes, trusted: TrustedKeys, where: str) -> Manifest:
    """Verify and decode a manifest's file. where: its path or address, for messages.

    The signature is checked before anything is decoded. Raises IntegrityError.
    """
    if len(sealed) > MAX_MANIFEST_BYTES:
        raise IntegrityError(f"{where} has {len(sealed)} bytes, more than any manifest")
    if len(sealed) < ENVELOPE_BYTES or not sealed.startswith(MAGIC):
        raise IntegrityError(f"{where} is not a manifest of format {FORMAT}")
    key_id, signature, payload = _cut(sealed)
    try:
        signer = trusted.verify(key_id, signature, SIGNED_PREFIX + payload)
    except IntegrityError as error:
        raise IntegrityError(f"manifest {where}: {error}", hint=error.hint) from error
    root = cast(Root, _root.decode(payload, where))
    _check(root, where)
    fields = msgspec.structs.asdict(root)
    return Manifest(**fields, id=manifest_id(sealed), signed_by=signer.key_id.hex())


def manifest_id(sealed: bytes) -> str:
    """BLAKE3 of the manifest's whole file, 64 hexadecimal digits."""
    return blake3(sealed).hexdigest()


def _cut(sealed: bytes) -> tuple[bytes, bytes, bytes]:
    key_end = len(MAGIC) + KEY_ID_BYTES
    return sealed[len(MAGIC) : key_end], sealed[key_end:ENVELOPE_BYTES], sealed[ENVELOPE_BYTES:]


def _check(root: Root, where: str) -> None:
    """Refuse what a signer could write but no reader should have to think about."""
    if root.format != FORMAT:
        raise IntegrityError(
            f"manifest {where} has format {root.format}, this version reads {FORMAT}",
            hint="install a newer haoscar-pxe here",
        )
    firsts = [sort_key(page.first) for page in root.pages]
    problems = [
        (root.generation < 1, "its generation is below 1"),
        (not root.pages or root.pages[0].first != b"", "its first page does not begin at the root"),
        (any(a >= b for a, b in pairwise(firsts)), "its pages are unordered"),
        (
            any(len(page.chunk_id) != CHUNK_ID_BYTES for page in root.pages),
            "a page id is too short",
        ),
        (any(page.entry_count < 1 for page in root.pages), "a page has no entries"),
        (sum(p.entry_count for p in root.pages) != root.entry_count, "its entries do not add up"),
        (
            any(len(each) != KEY_ID_BYTES for each in root.sealing_keys)
            or any(a >= b for a, b in pairwise(root.sealing_keys)),
            "its sealing keys are unordered or too short",
        ),
        (
            not len(root.sealing_keys) <= root.sealed_files <= root.entry_count
            or bool(root.sealed_files) != bool(root.sealing_keys),
            "its sealed files do not fit their keys",
        ),
        (min(root.logical_bytes, root.stored_bytes, root.packed_bytes) < 0, "a size is negative"),
    ]
    for wrong, reason in problems:
        if wrong:
            raise IntegrityError(f"manifest {where} is refused: {reason}")
