"""The image server's end: what a head sends goes into a generation's writer, once it is proven.

Every chunk must have the hash it was offered by, every page must be canonical, every entry one
that may follow; nothing is unpacked beyond the size that a chunk may have. A head that breaks the
rules gets nothing stored that a reader would see. It does no I/O but through the writer.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Final, Protocol, assert_never

from blake3 import blake3

from haoscar_pxe.capture.files.taking import Taken
from haoscar_pxe.capture.files.tree import EntrySink
from haoscar_pxe.capture.remote.messages import (
    OFFER_MAX,
    OFFERS_OPEN,
    Content,
    Ended,
    Expect,
    Failed,
    FromHead,
    Item,
    Lacking,
    Offer,
)
from haoscar_pxe.capture.warning import CaptureWarning
from haoscar_pxe.errors import CaptureError, WireError
from haoscar_pxe.image.compressing import Compressed
from haoscar_pxe.image.compression import MAX_CHUNK_BYTES, Decompressor, Encoding
from haoscar_pxe.image.entry import CHUNK_ID_BYTES, Entry, SealedFile, chunk_ids
from haoscar_pxe.image.pack import Kind, fits
from haoscar_pxe.image.page import MAX_ENTRIES, decode_page
from haoscar_pxe.image.progress import Progress
from haoscar_pxe.image.sealing import OVERHEAD_BYTES, SealingKey

MOST_BYTES: Final = 2**63
"""No count of bytes or entries is larger."""

PageOf = Callable[[bytes], tuple[Entry, ...] | None]
"""The entries of a page that an earlier generation of the image has, by its chunk id."""


class Writer(EntrySink, Protocol):
    """`image.writer.GenerationWriter`."""

    def has_chunk(self, chunk_id: bytes) -> bool:
        """Whether the chunk need not be added."""
        ...

    def add_compressed(self, chunk: Compressed) -> None:
        """Store a chunk that was proven here, as the head compressed it."""
        ...


class Receiver:
    """Takes the head's messages in their order. taken: the last of them, None until it came."""

    def __init__(
        self, writer: Writer, page_of: PageOf, sealing_key: SealingKey, progress: Progress
    ) -> None:
        """sealing_key: what the head was told to seal by; an entry sealed by another is refused."""
        self._writer = writer
        self._page_of = page_of
        self._key_id = sealing_key.key_id
        self._progress = progress
        self._decompressor = Decompressor()
        self._queue: deque[tuple[Item, bool]] = deque()
        self._awaited: set[bytes] = set()
        self.taken: Taken | None = None

    def receive(self, message: FromHead) -> Lacking | None:
        """Act on a message; what is to be sent back.

        Raises WireError or IntegrityError (a head that breaks the rules), CaptureError (it cannot
        go on, in its words), StorageError (the repository).
        """
        match message:
            case Expect():
                self._progress.expect(_count(message.total_bytes))
            case Offer():
                return self._offered(message)
            case Content():
                self._received(message)
            case Ended():
                if self._queue:
                    raise WireError(f"it ended with {len(self._queue)} items outstanding")
                self.taken = _printable(message.taken)
            case Failed():
                raise CaptureError(_plain(message.message), hint=_plain(message.hint))
            case _:
                assert_never(message)
        return None

    def _offered(self, offer: Offer) -> Lacking:
        if not 1 <= len(offer.items) <= OFFER_MAX or len(self._queue) > OFFER_MAX * OFFERS_OPEN:
            raise WireError(f"{len(offer.items)} items were offered, {len(self._queue)} are open")
        self._progress.advance(_count(offer.size_bytes), _count(offer.entries))
        places = []
        for place, item in enumerate(offer.items):
            if len(item.chunk_id) != CHUNK_ID_BYTES:
                raise WireError(f"an id has {len(item.chunk_id)} bytes")
            is_lacking = self._lacks(item)
            if is_lacking:
                places.append(place)
                self._awaited.add(item.chunk_id)
            self._queue.append((item, is_lacking))
        self._settle()
        return Lacking(tuple(places))

    def _lacks(self, item: Item) -> bool:
        """Of a page: also when a chunk of its entries is gone. What is on its way is not lacking.

        >>> from haoscar_pxe.image.progress import Silence
        >>> class Empty:
        ...     def has_chunk(self, chunk_id): return False
        >>> key = SealingKey("primary", bytes(32))
        >>> receiver = Receiver(Empty(), lambda chunk_id: None, key, Silence())
        >>> receiver.receive(Offer((Item(Kind.DATA, bytes(32)),) * 2, 0, 0))
        Lacking(places=(0,))
        """
        if item.kind is Kind.META:
            page = self._page_of(item.chunk_id)
            return page is None or not all(map(self._is_known, _chunk_ids(page)))
        return not self._is_known(item.chunk_id)

    def _is_known(self, chunk_id: bytes) -> bool:
        return chunk_id in self._awaited or self._writer.has_chunk(chunk_id)

    def _received(self, content: Content) -> None:
        if not self._queue:
            raise WireError("content came that was not asked for")
        item, _ = self._queue.popleft()
        data = self._unpacked(content)
        if blake3(data).digest() != item.chunk_id:
            raise WireError(f"the content of {item.chunk_id.hex()[:12]} is something else")
        self._awaited.discard(item.chunk_id)
        match item.kind:
            case Kind.META:
                self._add(_page(data))
            case Kind.SEALED:
                self._writer.add_box(_box(data))
            case Kind.DATA:
                encoding = Encoding(content.encoding)
                self._writer.add_compressed(
                    Compressed(item.chunk_id, encoding, content.data, len(data))
                )
            case _:
                assert_never(item.kind)
        self._settle()

    def _settle(self) -> None:
        """Go on in order past everything that need not be sent."""
        while self._queue and not self._queue[0][1]:
            item, _ = self._queue.popleft()
            if item.kind is Kind.META:
                page = self._page_of(item.chunk_id)
                if page is None:
                    raise WireError("a page was offered twice")
                self._add(page)

    def _add(self, page: Collection[Entry]) -> None:
        for entry in page:
            if isinstance(entry, SealedFile) and entry.key_id != self._key_id:
                raise WireError(f"{entry.path!r} is sealed by another key than was asked for")
            self._writer.add_entry(entry)

    def _unpacked(self, content: Content) -> bytes:
        if content.encoding not in tuple(Encoding) or not 1 <= content.raw_bytes <= MAX_CHUNK_BYTES:
            raise WireError(f"a chunk claims {content.raw_bytes} bytes as {content.encoding}")
        data = self._decompressor.restore(
            Encoding(content.encoding), content.data, content.raw_bytes
        )
        if len(data) != content.raw_bytes:
            raise WireError(f"a chunk of {content.raw_bytes} bytes has {len(data)}")
        if not fits(content.encoding, len(content.data), len(data)):  # no pack may hold it
            raise WireError(f"a chunk of {len(data)} bytes came in {len(content.data)}")
        return data


def _page(data: bytes) -> tuple[Entry, ...]:
    """The page's entries. How many it claims is looked at before any of them is decoded."""
    is_short, is_long = 0x90 < data[0] <= 0x9F, data[0] == 0xDC  # MessagePack's array headers
    if not is_short and not (is_long and int.from_bytes(data[1:3], "big") <= MAX_ENTRIES):
        raise WireError("a page is no list of entries, or of too many")
    return decode_page(data, "a page from the head")


def _box(data: bytes) -> bytes:
    if len(data) <= OVERHEAD_BYTES:
        raise WireError(f"a sealed box has {len(data)} bytes")
    return data


def _chunk_ids(page: Collection[Entry]) -> Collection[bytes]:
    return [chunk_id for entry in page for chunk_id in chunk_ids(entry)]


def _count(claimed: int) -> int:
    if not 0 <= claimed < MOST_BYTES:
        raise WireError(f"it counted {claimed}")
    return claimed


def _printable(taken: Taken) -> Taken:
    """With words that are safe to print; paths are bytes and escaped by who prints them."""
    return replace(
        taken,
        mounts=tuple(replace(each, reason=_plain(each.reason)) for each in taken.mounts),
        left_out=tuple(replace(each, reason=_plain(each.reason)) for each in taken.left_out),
        readings=tuple(replace(each, reason=_plain(each.reason)) for each in taken.readings),
        warnings=tuple(
            CaptureWarning(_plain(each.sentence), _plain(each.hint)) for each in taken.warnings
        ),
    )


def _plain(text: str) -> str:
    r"""The head's words without control characters: they are printed on a terminal.

    >>> _plain("no space\nleft\x1b[2J")
    'no space\nleft?[2J'
    """
    return "".join(c if c.isprintable() or c == "\n" else "?" for c in text[:10_000])
