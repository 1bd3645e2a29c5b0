"""The image server believes nothing that a head says, and stores only what is proven."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import zstandard
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from haoscar_pxe.capture.files.taking import Taken
from haoscar_pxe.capture.remote.messages import (
    OFFER_MAX,
    Content,
    Ended,
    Expect,
    Failed,
    FromHead,
    Item,
    Lacking,
    Offer,
)
from haoscar_pxe.capture.remote.receiver import Receiver
from haoscar_pxe.capture.scope.scope import LeftOut
from haoscar_pxe.capture.snapshot.sight import Reading
from haoscar_pxe.capture.warning import CaptureWarning
from haoscar_pxe.errors import CaptureError, HaoscarError, IntegrityError, WireError
from haoscar_pxe.image.canonical import encode
from haoscar_pxe.image.compressing import Compressed
from haoscar_pxe.image.entry import Directory, Entry, Extent, File, Metadata, Symlink
from haoscar_pxe.image.layout import Boot, DiskLayout
from haoscar_pxe.image.manifest import Record
from haoscar_pxe.image.pack import Kind
from haoscar_pxe.image.progress import Silence
from haoscar_pxe.image.reader import ChunkReader
from haoscar_pxe.image.repository import Repository
from haoscar_pxe.image.signing import SigningKey
from haoscar_pxe.image.writer import GenerationWriter
from tests.unit.capture.sealing import SEALING

META = Metadata(0o755, 0, 0, 0)
ROOT = Directory(b"", META)
DATA = b"the munge key" * 100
RECORD = Record(
    created_ns=1,
    host_name="primary",
    consistency="live",
    layout=DiskLayout(disks=(), boot=Boot(firmware="bios", loader="grub", kernel_release="6")),
)
TAKEN = Taken(RECORD, (), (), (), ())


def chunk_id(data: bytes) -> bytes:
    return blake3(data).digest()


def page(*entries: Entry) -> bytes:
    return encode(entries)


def file(path: bytes, data: bytes = DATA) -> File:
    return File(path, META, len(data), (Extent(0, len(data), chunk_id(data)),))


def offer(*data: bytes, pages: tuple[bytes, ...] = ()) -> Offer:
    items = [Item(Kind.DATA, chunk_id(each)) for each in data]
    return Offer((*items, *(Item(Kind.META, chunk_id(each)) for each in pages)), 0, 0)


def raw(data: bytes) -> Content:
    return Content(0, len(data), data)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository.create(tmp_path / "repository")


@pytest.fixture
def writer(repository: Repository) -> Iterator[GenerationWriter]:
    with repository.writer("primary") as made:
        yield made


@pytest.fixture
def receiver(writer: GenerationWriter) -> Receiver:
    return Receiver(writer, lambda chunk_id: None, SEALING.key, Silence())


def feed(receiver: Receiver, *messages: FromHead) -> list[Lacking]:
    return [answer for message in messages if (answer := receiver.receive(message))]


def test_what_is_lacking_is_asked_for_once_and_the_tree_goes_in(
    receiver: Receiver, writer: GenerationWriter
) -> None:
    entries = page(ROOT, file(b"key"), file(b"key-too"))
    [answer] = feed(receiver, offer(DATA, DATA, pages=(entries,)))
    assert answer == Lacking((0, 2))
    packed = zstandard.ZstdCompressor().compress(DATA)
    feed(receiver, Content(1, len(DATA), packed), raw(entries), Ended(TAKEN))
    assert receiver.taken == TAKEN
    assert writer.has_chunk(chunk_id(DATA))
    assert feed(receiver, offer(DATA)) == [Lacking(())]


def test_a_chunk_is_stored_as_the_head_compressed_it(
    receiver: Receiver, writer: GenerationWriter, repository: Repository
) -> None:
    noise = os.urandom(3000)
    packed = zstandard.ZstdCompressor(level=19, write_checksum=True).compress(DATA)
    entries = page(ROOT, file(b"key"), file(b"noise", noise))
    feed(receiver, offer(DATA, noise, pages=(entries,)))
    feed(receiver, Content(1, len(DATA), packed), raw(noise), raw(entries), Ended(TAKEN))
    manifest = writer.commit(RECORD, SigningKey(bytes(32)))
    packs = [path.read_bytes() for path in repository.path.rglob("*.pack")]
    assert sum(packed in pack for pack in packs) == 1
    chunks = ChunkReader(repository.store)
    assert chunks.chunk(chunk_id(DATA)) == DATA
    assert chunks.chunk(chunk_id(noise)) == noise
    assert manifest.entry_count == 3


@pytest.mark.parametrize(("size_bytes", "packed_bytes"), [(1, 10), (17, 17)])
def test_a_form_that_no_pack_may_hold_is_refused(
    receiver: Receiver, size_bytes: int, packed_bytes: int
) -> None:
    data = b"x" * size_bytes
    packed = zstandard.ZstdCompressor().compress(data)
    assert len(packed) == packed_bytes
    feed(receiver, offer(data))
    with pytest.raises(WireError, match=f"of {size_bytes} bytes came in {packed_bytes}"):
        feed(receiver, Content(1, size_bytes, packed))


def test_a_page_of_the_parent_is_not_asked_for_while_its_chunks_are_here(
    writer: GenerationWriter,
) -> None:
    entries = (ROOT, file(b"key"))
    known = {chunk_id(page(*entries)): entries}
    receiver = Receiver(writer, known.get, SEALING.key, Silence())
    [answer] = feed(receiver, offer(DATA, pages=(page(*entries),)))
    assert answer == Lacking((0,))
    feed(receiver, raw(DATA), Ended(TAKEN))
    assert receiver.taken is not None


def test_a_page_of_the_parent_whose_chunks_are_gone_is_asked_for(
    writer: GenerationWriter,
) -> None:
    entries = (ROOT, file(b"key"))
    known = {chunk_id(page(*entries)): entries}
    receiver = Receiver(writer, known.get, SEALING.key, Silence())
    assert feed(receiver, offer(pages=(page(*entries),))) == [Lacking((0,))]


def test_a_chunk_that_is_not_what_it_was_offered_as_is_refused(
    receiver: Receiver, writer: GenerationWriter
) -> None:
    feed(receiver, offer(DATA))
    with pytest.raises(WireError, match="something else"):
        feed(receiver, raw(b"a trojan"))
    assert not writer.has_chunk(chunk_id(b"a trojan"))


@pytest.mark.parametrize(
    "content",
    [
        Content(1, 1000, zstandard.ZstdCompressor().compress(bytes(1 << 30))),
        Content(1, 2**40, b""),
        Content(0, 0, b""),
        Content(0, 5, b"four"),
        Content(7, 4, b"four"),
        Content(-1, 4, b"four"),
        Content(1, 4, b"no zstd at all"),
    ],
    ids=["bomb", "huge", "nothing", "short", "unknown", "negative", "garbage"],
)
def test_content_that_cannot_be_unpacked_as_it_claims_is_refused(
    receiver: Receiver, content: Content
) -> None:
    feed(receiver, offer(DATA))
    with pytest.raises((IntegrityError, WireError)):
        feed(receiver, content)


def test_content_that_nobody_asked_for_is_refused(receiver: Receiver) -> None:
    with pytest.raises(WireError, match="not asked for"):
        feed(receiver, raw(DATA))


@pytest.mark.parametrize(
    "entries",
    [
        (file(b"key"),),
        (ROOT, file(b"key")),
        (ROOT, file(b"a/../../etc/shadow")),
        (ROOT, Symlink(b"etc", META, b"/etc"), Symlink(b"etc/passwd", META, b"x")),
        (ROOT, Symlink(b"b", META, b"x"), Symlink(b"a", META, b"x")),
        (ROOT, ROOT),
    ],
    ids=["no root", "chunk never sent", "dots", "through a link", "unordered", "twice"],
)
def test_entries_that_are_no_tree_are_refused(
    receiver: Receiver, entries: tuple[Entry, ...]
) -> None:
    sent = page(*entries)
    feed(receiver, offer(pages=(sent,)))
    with pytest.raises(IntegrityError):
        feed(receiver, raw(sent))


@pytest.mark.parametrize(
    "sent",
    [
        b"\x90",
        b"\xc0",
        b"\xdc\xff\xff" + b"\xc0" * 65535,
        b"\xdd\0\0\0\x01" + encode(ROOT),
        b"\x91",
    ],
    ids=["empty", "nil", "too many", "not shortest", "cut"],
)
def test_a_page_that_is_no_page_is_refused(receiver: Receiver, sent: bytes) -> None:
    feed(receiver, offer(pages=(sent,)))
    with pytest.raises((IntegrityError, WireError)):
        feed(receiver, raw(sent))


def test_offers_beyond_what_may_be_open_are_refused(receiver: Receiver) -> None:
    with pytest.raises(WireError):
        feed(receiver, Offer((), 0, 0))
    with pytest.raises(WireError):
        feed(receiver, offer(*(bytes([i % 256, i // 256]) for i in range(OFFER_MAX + 1))))
    flood = [Offer(tuple(Item(Kind.DATA, os.urandom(32)) for _ in range(OFFER_MAX)), 0, 0)] * 10
    with pytest.raises(WireError, match="are open"):
        feed(receiver, *flood)


@pytest.mark.parametrize(
    "message",
    [
        Expect(-1),
        Expect(2**63),
        Offer((Item(Kind.DATA, bytes(32)),), -5, 0),
        Offer((Item(Kind.META, b"short"),), 0, 0),
    ],
)
def test_impossible_numbers_are_refused(receiver: Receiver, message: FromHead) -> None:
    with pytest.raises(WireError):
        feed(receiver, message)


def test_an_end_with_things_outstanding_is_refused(receiver: Receiver) -> None:
    feed(receiver, offer(DATA))
    with pytest.raises(WireError, match="1 items outstanding"):
        feed(receiver, Ended(TAKEN))


def test_a_head_that_cannot_go_on_is_heard_without_its_control_characters(
    receiver: Receiver,
) -> None:
    with pytest.raises(CaptureError) as caught:
        feed(receiver, Failed("no\x1b]0;owned\x07 room", "make \x9bsome"))
    assert str(caught.value) == "no?]0;owned? room"
    assert caught.value.hint == "make ?some"


def test_words_of_the_report_are_safe_to_print(receiver: Receiver) -> None:
    warned = Taken(
        RECORD,
        (),
        (LeftOut(b"srv", "why\x1b[2J"),),
        (),
        (CaptureWarning("a\x1b", "b\x1b"),),
        (Reading(b"/", True, "of vg\x1b/root"),),
    )
    feed(receiver, Ended(warned))
    assert receiver.taken is not None
    assert receiver.taken.warnings == (CaptureWarning("a?", "b?"),)
    assert receiver.taken.readings == (Reading(b"/", True, "of vg?/root"),)
    assert receiver.taken.left_out == (LeftOut(b"srv", "why?[2J"),)


messages = st.one_of(
    st.builds(Expect, st.integers(-(2**62), 2**62)),
    st.builds(
        Offer,
        st.lists(
            st.builds(Item, st.booleans(), st.sampled_from([chunk_id(DATA), chunk_id(page(ROOT))])),
            max_size=4,
        ).map(tuple),
        st.integers(-1, 9),
        st.integers(0, 9),
    ),
    st.sampled_from([raw(DATA), raw(page(ROOT)), Content(1, 5, b"x"), Ended(TAKEN)]),
)


class Heap:
    """A writer that keeps ids only."""

    def __init__(self) -> None:
        self.ids: set[bytes] = set()

    def has_chunk(self, chunk_id: bytes) -> bool:
        return chunk_id in self.ids

    def add_box(self, box: bytes) -> bytes:
        return self.add_chunk(box)

    def add_chunk(self, data: bytes | memoryview) -> bytes:
        self.ids.add(chunk_id(bytes(data)))
        return chunk_id(bytes(data))

    def add_compressed(self, chunk: Compressed) -> None:
        self.ids.add(chunk.chunk_id)

    def add_entry(self, entry: Entry) -> None:
        assert entry == ROOT


@given(st.lists(messages, max_size=12))
def test_any_row_of_messages_is_taken_or_refused_in_words(row: list[FromHead]) -> None:
    heap = Heap()
    receiver = Receiver(heap, lambda chunk_id: None, SEALING.key, Silence())
    with suppress(HaoscarError):
        feed(receiver, *row)
    assert heap.ids <= {chunk_id(DATA), chunk_id(page(ROOT))}
