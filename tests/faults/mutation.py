"""Random damage for parsers: bytes near valid ones reach deeper into a decoder than noise does."""

from __future__ import annotations

import struct
from random import Random
from typing import Final

NUMBERS: Final = (
    0,
    1,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0xFFFF,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**63,
    2**64 - 1,
)
MARKS: Final = (
    b"\x00",
    b"\xff",
    b"\xdd\xff\xff\xff\xff",  # MessagePack: an array of 4 billion
    b"\xc6\xff\xff\xff\xff",  # 4 GB of bytes
    b"\xdf\xff\xff\xff\xff",  # a map of 4 billion
    b"\x91" * 200,  # arrays in arrays
    b"[" * 2000,
    b"../",
    b"\xf0\x28\x8c\x28",  # no UTF-8
    b'"\\ud800"',
    b"1e999999",
    b"-0",
    b"9" * 5000,
)


def mutated(good: bytes, dice: Random) -> bytes:
    """One to four changes of the good bytes."""
    data = bytearray(good)
    for _ in range(dice.randrange(1, 5)):
        _change(data, dice)
    return bytes(data)


def _change(data: bytearray, dice: Random) -> None:
    at = dice.randrange(len(data) + 1)
    end = min(len(data), at + dice.randrange(1, 40))
    match dice.randrange(7):
        case 0 if at < len(data):
            data[at] ^= 1 << dice.randrange(8)
        case 1:
            data[at:at] = dice.choice(MARKS)
        case 2:
            mark = dice.choice(MARKS)
            data[at : at + len(mark)] = mark
        case 3:
            del data[at:end]
        case 4:
            data[at:at] = data[at:end]
        case 5:
            size, code = dice.choice([(2, "H"), (4, "I"), (8, "Q")])
            number = dice.choice(NUMBERS) % 2 ** (8 * size)
            data[at : at + size] = struct.pack(dice.choice("<>") + code, number)
        case _:
            del data[at:]
