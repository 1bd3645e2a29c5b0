"""UEFI boot entries as bytes: EFI_LOAD_OPTION and the device path of a file on a GPT partition.

Sources: UEFI 2.10 sections 3.1.3 (load options), 10.2 to 10.3.6 (device paths). Pure; variables
are read and written by `efi_boot.py`.
"""

from __future__ import annotations

import struct
import uuid
from dataclasses import dataclass
from typing import Final

from haoscar_pxe.errors import WireError

ACTIVE: Final = 1  # LOAD_OPTION_ACTIVE
HEAD: Final = struct.Struct("<IH")
"""Attributes, and the length of the device paths in bytes."""
NODE: Final = struct.Struct("<BBH")
"""Type, sub-type, and the length of a device path's node with these 4 bytes."""
MEDIA: Final = 4
HARD_DRIVE: Final = 1
FILE_PATH: Final = 4
DRIVE: Final = struct.Struct("<IQQ16sBB")
"""Partition number, first block, blocks, signature, MBR type (2: GPT), signature type (2: GUID)."""
GPT: Final = 2
GUID_SIGNATURE: Final = 2
END: Final = NODE.pack(0x7F, 0xFF, NODE.size)


@dataclass(frozen=True, slots=True)
class OnPartition:
    """A file on a GPT partition. start, size: in blocks of the disk. path: with backslashes."""

    number: int
    start: int
    size: int
    partition_uuid: str
    path: str


def encode(description: str, place: OnPartition) -> bytes:
    """An active entry."""
    signature = uuid.UUID(place.partition_uuid).bytes_le
    drive = DRIVE.pack(place.number, place.start, place.size, signature, GPT, GUID_SIGNATURE)
    path = _node(HARD_DRIVE, drive) + _node(FILE_PATH, _text(place.path)) + END
    return HEAD.pack(ACTIVE, len(path)) + _text(description) + path


def _node(subtype: int, body: bytes) -> bytes:
    return NODE.pack(MEDIA, subtype, NODE.size + len(body)) + body


def _text(text: str) -> bytes:
    return text.encode("utf-16-le") + b"\0\0"


def description_of(option: bytes) -> str:
    """What an entry is called. Raises WireError for bytes that are none."""
    text = option[HEAD.size :]
    end = next((i for i in range(0, len(text) - 1, 2) if text[i : i + 2] == b"\0\0"), None)
    if end is None:
        raise WireError(f"a boot entry of {len(option)} bytes has no end of its description")
    return text[:end].decode("utf-16-le", "replace")


def encode_order(numbers: list[int]) -> bytes:
    """The value of BootOrder."""
    return struct.pack(f"<{len(numbers)}H", *numbers)


def decode_order(value: bytes) -> list[int]:
    r"""The numbers in BootOrder, or the one in BootCurrent; half a number at the end is left out.

    >>> decode_order(b"\x01\x00\x00\x00")
    [1, 0]
    """
    return list(struct.unpack(f"<{len(value) // 2}H", value[: len(value) // 2 * 2]))
