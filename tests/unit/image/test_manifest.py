"""Envelope and record: signed, canonical, and refused otherwise."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from haoscar_pxe.errors import IntegrityError
from haoscar_pxe.image.canonical import encode
from haoscar_pxe.image.layout import (
    Boot,
    Disk,
    DiskLayout,
    FileSystem,
    Partition,
    Swap,
    Unsupported,
)
from haoscar_pxe.image.manifest import (
    ENVELOPE_BYTES,
    MAGIC,
    SIGNED_PREFIX,
    Manifest,
    PageRef,
    Root,
    manifest_id,
    open_manifest,
    seal,
)
from haoscar_pxe.image.signing import SigningKey, TrustedKeys

KEY = SigningKey(bytes(range(32)))
TRUSTED = TrustedKeys.of(KEY.public)
LAYOUT = DiskLayout(
    disks=(
        Disk(
            device="/dev/sda",
            size_bytes=1 << 35,
            table="gpt",
            table_id="0F0F",
            partitions=(
                Partition(
                    number=1,
                    start_bytes=1 << 20,
                    size_bytes=1 << 30,
                    type_code="83",
                    content=FileSystem(kind="ext4", uuid="1-2", mount_point="/", label="ümläut"),
                ),
                Partition(
                    number=2, start_bytes=1, size_bytes=1, type_code="82", content=Swap(uuid="3")
                ),
                Partition(
                    number=3,
                    start_bytes=1,
                    size_bytes=1,
                    type_code="8e",
                    content=Unsupported(kind="LVM"),
                ),
            ),
        ),
    ),
    boot=Boot(firmware="bios", loader="grub", kernel_release="6.1.0-1-amd64"),
)
ROOT = Root(
    created_ns=1_700_000_000_000_000_001,
    host_name="primary",
    consistency="live",
    layout=LAYOUT,
    unstable=(b"var/log/\xff",),
    format=1,
    image="primary",
    generation=3,
    parent="ab" * 32,
    tool_version="0.1.0",
    entry_count=7,
    logical_bytes=2**40,
    stored_bytes=2**39,
    packed_bytes=12,
    sealed_files=2,
    sealing_keys=(bytes(32), b"\1" * 32),
    pages=(PageRef(b"", bytes(32), 5), PageRef(b"usr", bytes(32), 2)),
)


def signed(payload: bytes) -> bytes:
    """A genuine envelope around any payload: what a hostile holder of the key could make."""
    return MAGIC + KEY.public.key_id + KEY.sign(SIGNED_PREFIX + payload) + payload


def open_it(sealed: bytes) -> Manifest:
    return open_manifest(sealed, TRUSTED, "test")


def test_what_was_sealed_is_opened() -> None:
    sealed = seal(ROOT, KEY)
    manifest = open_it(sealed)
    assert msgspec.structs.asdict(manifest) == {
        **msgspec.structs.asdict(ROOT),
        "id": manifest_id(sealed),
        "signed_by": KEY.public.key_id.hex(),
    }


def test_the_same_record_and_key_give_the_same_bytes() -> None:
    assert seal(ROOT, KEY) == seal(ROOT, KEY)


def test_every_flipped_bit_is_refused() -> None:
    sealed = seal(ROOT, KEY)
    for position in range(len(sealed)):
        for bit in range(8):
            damaged = bytearray(sealed)
            damaged[position] ^= 1 << bit
            with pytest.raises(IntegrityError):
                open_it(bytes(damaged))


def test_every_shorter_and_longer_file_is_refused() -> None:
    sealed = seal(ROOT, KEY)
    for length in range(len(sealed)):
        with pytest.raises(IntegrityError):
            open_it(sealed[:length])
    with pytest.raises(IntegrityError):
        open_it(sealed + b"\0")


@given(st.binary(max_size=500))
def test_any_bytes_are_refused(noise: bytes) -> None:
    with pytest.raises(IntegrityError):
        open_it(noise)


@given(st.binary(max_size=300))
def test_any_payload_with_a_good_signature_is_refused_unless_it_is_a_record(noise: bytes) -> None:
    with pytest.raises(IntegrityError):
        open_it(signed(noise))


def test_other_bytes_of_the_same_record_are_refused() -> None:
    payload = encode(ROOT)
    fields = msgspec.msgpack.decode(payload)
    reordered = msgspec.msgpack.encode(dict(reversed(fields.items())))
    added = msgspec.msgpack.encode({**fields, "more": 1})
    for other in (reordered, added, payload + b"\xc0"):
        with pytest.raises(IntegrityError):
            open_it(signed(other))
    assert open_it(signed(payload)).generation == 3


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (msgspec.structs.replace(ROOT, format=2), "format 2"),
        (msgspec.structs.replace(ROOT, generation=0), "generation"),
        (msgspec.structs.replace(ROOT, pages=()), "root"),
        (msgspec.structs.replace(ROOT, entry_count=8), "add up"),
        (msgspec.structs.replace(ROOT, logical_bytes=-1), "negative"),
        (msgspec.structs.replace(ROOT, pages=(PageRef(b"a", bytes(32), 7),)), "root"),
        (msgspec.structs.replace(ROOT, pages=(PageRef(b"", bytes(31), 7),)), "page id"),
        (msgspec.structs.replace(ROOT, pages=(PageRef(b"", bytes(32), 0),)), "no entries"),
        (msgspec.structs.replace(ROOT, pages=ROOT.pages[::-1]), "root"),
        (msgspec.structs.replace(ROOT, sealing_keys=ROOT.sealing_keys[::-1]), "sealing keys"),
        (msgspec.structs.replace(ROOT, sealing_keys=(bytes(31),)), "sealing keys"),
        (msgspec.structs.replace(ROOT, sealing_keys=()), "sealed files"),
        (msgspec.structs.replace(ROOT, sealed_files=8), "sealed files"),
    ],
)
def test_impossible_records_are_refused_although_signed(wrong: Root, reason: str) -> None:
    with pytest.raises(IntegrityError, match=reason):
        open_it(seal(wrong, KEY))


def test_the_payload_begins_where_the_document_says() -> None:
    sealed = seal(ROOT, KEY)
    assert sealed[:8] == b"HXMANIF\x01"
    assert ENVELOPE_BYTES == 8 + 32 + 64
    assert sealed[ENVELOPE_BYTES:] == encode(ROOT)
