"""Canonical bytes of stored values: one value has exactly one encoding, all others are refused.

MessagePack as msgspec writes it (shortest integers, fields in the order of their classes). A
decoder that accepts two encodings of one value would let signed bytes and their meaning drift
apart, so what was decoded is encoded again and compared.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from haoscar_pxe.errors import IntegrityError

T = TypeVar("T")

_encoder = msgspec.msgpack.Encoder()


def encode(value: object) -> bytes:
    """The one encoding of a value."""
    return _encoder.encode(value)


class Canonical:
    """Decodes one kind of value, given as msgspec type; `what` names it in refusals."""

    def __init__(self, kind: object, what: str) -> None:
        self._decoder = msgspec.msgpack.Decoder(kind)
        self._what = what

    def decode(self, data: bytes | memoryview, where: str) -> object:
        """The value, of the type given at creation. where: the thing that held these bytes.

        Raises IntegrityError when the bytes are not the canonical encoding of such a value.
        """
        try:
            value: object = self._decoder.decode(data)
        except (msgspec.MsgspecError, ValueError, RecursionError, OverflowError) as error:
            raise IntegrityError(f"the {self._what} in {where} cannot be read: {error}") from error
        if _encoder.encode(value) != data:
            raise IntegrityError(f"the {self._what} in {where} is not in its canonical form")
        return value
