"""What image server and head say to each other while a head is captured, and how it is framed.

A frame is its payload's length (u32, big-endian) and the payload: one message, canonical
MessagePack. The head greets with GREETING, so that what a login shell prints before is skipped.

    image server                          head
    Request               ─────────▶      hooks, survey
                          ◀─────────      Expect  (bytes there will be, corrected as it goes on)
                          ◀─────────      Offer   (ids of chunks and pages, at most OFFERS_OPEN
    Lacking               ─────────▶               unanswered)
                          ◀─────────      Content (what was lacking, in the order of the offers)
                          ◀─────────      Ended, or Failed

The server trusts nothing of it: the head may be in other hands. This module is bytes and values;
`remote_receiver.py` says which message may follow which.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final, Generic, TypeAlias, TypeVar, cast

from msgspec import Struct

from haoscar_pxe.capture.files.secrets import SecretRules
from haoscar_pxe.capture.files.taking import Taken
from haoscar_pxe.capture.hooks import Hooks
from haoscar_pxe.capture.snapshot.sight import Wish
from haoscar_pxe.errors import IntegrityError, WireError
from haoscar_pxe.image.canonical import Canonical, encode
from haoscar_pxe.image.compression import MAX_CHUNK_BYTES
from haoscar_pxe.image.layout import DiskLayout
from haoscar_pxe.image.pack import Kind

GREETING: Final = b"\0haoscar-pxe capture 1\n"
NOISE_MAX_BYTES: Final = 64 << 10
"""What a login may say before the greeting: a message of the day, an administrator's echo."""
OFFER_MAX: Final = 512
OFFERS_OPEN: Final = 4
"""Offers without an answer: enough to hide the round trip, and their answers fit into a pipe, so
that neither side ever waits for the other to read."""
MAX_FRAME_BYTES: Final = MAX_CHUNK_BYTES + (64 << 10)

_LENGTH: Final = struct.Struct(">I")


class Request(Struct, frozen=True, tag="request", forbid_unknown_fields=True):
    """What to capture; as `taking.Subject`. never: absolute paths on the head, with reasons.

    sealing_key: the public one, 32 bytes; the head seals secrets itself, by these rules.
    """

    root: bytes
    image: str
    never: tuple[tuple[bytes, str], ...]
    sealing_key: bytes
    rules: SecretRules
    layout: DiskLayout | None
    live: bool
    hooks: Hooks
    wish: Wish


class Lacking(Struct, frozen=True, tag="lacking", forbid_unknown_fields=True):
    """The answer to the oldest open offer: places in it, ascending, of what must be sent."""

    places: tuple[int, ...]


class Expect(Struct, frozen=True, tag="expect", forbid_unknown_fields=True):
    """How many bytes of content there will be."""

    total_bytes: int


class Item(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One thing offered. A page stands after all chunks and boxes that its entries name."""

    kind: Kind
    chunk_id: bytes


class Offer(Struct, frozen=True, tag="offer", forbid_unknown_fields=True):
    """The next items of the capture. size_bytes, entries: read since the offer before."""

    items: tuple[Item, ...]
    size_bytes: int
    entries: int


class Content(Struct, frozen=True, tag="content", forbid_unknown_fields=True):
    """The oldest item that is lacking. encoding, data: as in a pack; raw_bytes: unpacked."""

    encoding: int
    raw_bytes: int
    data: bytes


class Ended(Struct, frozen=True, tag="ended", forbid_unknown_fields=True):
    """All of it was sent."""

    taken: Taken


class Failed(Struct, frozen=True, tag="failed", forbid_unknown_fields=True):
    """The capture cannot go on."""

    message: str
    hint: str


FromHead: TypeAlias = Expect | Offer | Content | Ended | Failed
FromServer: TypeAlias = Request | Lacking

M = TypeVar("M", FromHead, FromServer)


def encode_frame(message: FromHead | FromServer) -> bytes:
    """The message as it is sent."""
    payload = encode(message)
    return _LENGTH.pack(len(payload)) + payload


class Frames(Generic[M]):
    """Bytes as they arrive → messages of one kind; at most one frame is kept in memory."""

    def __init__(self, kind: object) -> None:
        """kind: `FromHead` or `FromServer`."""
        self._decoder = Canonical(kind, "message")
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[M]:
        """The messages that are complete now. Raises WireError for anything that is none."""
        self._buffer += data
        while len(self._buffer) >= _LENGTH.size:
            [size_bytes] = _LENGTH.unpack_from(self._buffer)
            if size_bytes > MAX_FRAME_BYTES:
                raise WireError(f"a message claims {size_bytes} bytes")
            end = _LENGTH.size + size_bytes
            if len(self._buffer) < end:
                return
            payload = bytes(memoryview(self._buffer)[_LENGTH.size : end])
            del self._buffer[:end]
            try:
                yield cast(M, self._decoder.decode(payload, "a frame"))
            except IntegrityError as error:
                raise WireError(str(error)) from error

    @property
    def is_between(self) -> bool:
        """Whether nothing of a further frame has arrived."""
        return not self._buffer
