"""A random word in every kind of secret that a head has, and a search for them in all bytes."""

from __future__ import annotations

import base64
import os
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import zstandard

from haoscar_pxe.capture.files.secret_defaults import DEFAULTS

KEYS = ("srv/key-of-something", "opt/app/tls.txt", "usr/share/app/default.pem")
HASHES = ("srv/copy-of-users", "etc/app/users")


def plant(root: Path) -> dict[bytes, bytes]:
    """A secret for each glob of the shipped list and for each rule by content: path to canary."""
    planted = {}
    for path in sorted({_path(glob) for _, globs in DEFAULTS for glob in globs}):
        planted[os.fsencode(path)] = _put(root, path, "{}\n")
    for path in KEYS:
        text = "text\n-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n"
        planted[os.fsencode(path)] = _put(root, path, text)
    for path in HASHES:
        planted[os.fsencode(path)] = _put(root, path, "anna:$6${}$:19000:0:99999:7:::\n")
    return planted


def canaries_in(folder: Path, planted: Mapping[bytes, bytes]) -> list[str]:
    """Which canaries some file in folder holds, as it is or compressed, and which file that is."""
    found = []
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        found += [f"{os.fsdecode(path)} in {file}" for path in held(file.read_bytes(), planted)]
    return sorted(set(found))


def held(data: bytes, planted: Mapping[bytes, bytes]) -> list[bytes]:
    """The paths whose canary is in data, in any form that a stranger would look for."""
    layers = [data, *_unpacked(data)]
    return [
        path
        for path, canary in planted.items()
        if any(form in layer for layer in layers for form in _forms(canary))
    ]


def _forms(canary: bytes) -> Iterator[bytes]:
    yield canary
    yield canary.hex().encode()
    for shift in range(3):  # base64 of the canary anywhere within other bytes
        yield base64.b64encode(bytes(shift) + canary)[4:-4]


def _unpacked(data: bytes) -> Iterator[bytes]:
    """Every zstd frame and every gzip member in data, wherever it begins; what is in these too."""
    at = -1
    while (at := data.find(b"\x28\xb5\x2f\xfd", at + 1)) >= 0:
        yield from _layers(_zstd(data[at:]))
    while (at := data.find(b"\x1f\x8b\x08", at + 1)) >= 0:
        yield from _layers(_gzip(data[at:]))


def _layers(data: bytes) -> Iterator[bytes]:
    yield data
    yield from _unpacked(data)


def _zstd(data: bytes) -> bytes:
    try:
        return zstandard.ZstdDecompressor(max_window_size=1 << 31).decompressobj().decompress(data)
    except zstandard.ZstdError:
        return b""


def _gzip(data: bytes) -> bytes:
    try:
        return zlib.decompressobj(31).decompress(data)
    except zlib.error:
        return b""


def _path(glob: str) -> str:
    """A path that the glob matches."""
    return glob.replace("**", "x/y").replace("*", "x").lstrip("/")


def _put(root: Path, path: str, text: str) -> bytes:
    canary = base64.b32encode(os.urandom(20))
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text.encode().replace(b"{}", canary))
    return canary
