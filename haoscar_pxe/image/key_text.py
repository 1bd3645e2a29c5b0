"""Keys as text: one line, a word that says which kind of key it is and 32 bytes in base64."""

from __future__ import annotations

import base64
import binascii
import os
from pathlib import Path
from typing import Final

from haoscar_pxe.errors import ConfigError
from haoscar_pxe.image.durable import storage_errors

KEY_BYTES: Final = 32


def encode_line(word: str, raw: bytes) -> str:
    """The line, without newline."""
    return f"{word} {base64.b64encode(raw).decode()}"


def decode_line(text: str, word: str, where: str) -> bytes:
    """The key's KEY_BYTES bytes; words after the key are a comment. Raises ConfigError."""
    parts = text.split(None, 2)
    if len(parts) < 2 or parts[0] != word:
        raise ConfigError(f"{where} is not a key: a line '{word} BASE64' was expected")
    try:
        raw = base64.b64decode(parts[1], validate=True)
    except (binascii.Error, ValueError) as error:
        raise ConfigError(f"the key in {where} is not base64") from error
    if len(raw) != KEY_BYTES:
        raise ConfigError(f"the key in {where} has {len(raw)} bytes instead of {KEY_BYTES}")
    return raw


def write_key_file(path: Path, line: str, what: str) -> None:
    """Write a private key with mode 0600; an existing file is never replaced (StorageError).

    what: "the signing key", for messages.
    """
    with storage_errors(f"write {what}", path):
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(fd, "w") as file:
            file.write(line + "\n")
            file.flush()
            os.fsync(fd)
