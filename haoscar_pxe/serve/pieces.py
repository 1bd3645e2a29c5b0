"""Pieces of packs from memory: what installers ask for thousands of times, answered on the loop.

A pack never changes and is named by its content, so an open pack and the right to read it are
remembered for a moment; a piece that the page cache holds is read without waiting for a disk
(preadv2(2), RWF_NOWAIT). Whatever is not answered here (other headers, a cold page, a stranger)
goes the slow way, which asks the registry and sends by sendfile: nothing here refuses anything.
"""

from __future__ import annotations

import math
import os
import re
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path
from typing import Final

from aiohttp import hdrs, web

RIGHT_S: Final = 2.0
"""How long a token that was taken back, or a pack that was removed, may still be answered for."""
MOST_OPEN: Final = 256
MOST_RIGHTS: Final = 4096
LARGEST_PIECE_BYTES: Final = 1 << 20
RANGE: Final = re.compile(r"bytes=([0-9]{1,15})-([0-9]{1,15})")
CONDITIONS: Final = (
    hdrs.IF_RANGE,
    hdrs.IF_MATCH,
    hdrs.IF_NONE_MATCH,
    hdrs.IF_MODIFIED_SINCE,
    hdrs.IF_UNMODIFIED_SINCE,
)


@dataclass(frozen=True, slots=True)
class OpenPack:
    """A pack's file. headers: what aiohttp sends with the same file, but for the range."""

    fd: int
    size_bytes: int
    headers: dict[str, str]

    @classmethod
    def open(cls, path: Path, cache_control: str) -> OpenPack:
        """Raises OSError."""
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        status = os.fstat(fd)
        headers: dict[str, str] = {
            hdrs.CONTENT_TYPE: "application/octet-stream",
            hdrs.ETAG: f'"{status.st_mtime_ns:x}-{status.st_size:x}"',
            hdrs.LAST_MODIFIED: formatdate(math.ceil(status.st_mtime), usegmt=True),
            hdrs.ACCEPT_RANGES: "bytes",
            hdrs.CACHE_CONTROL: cache_control,
        }
        return cls(fd, status.st_size, headers)

    def piece(self, first: int, last: int) -> bytearray | None:
        """Those bytes, if the page cache has all of them."""
        piece = bytearray(last + 1 - first)
        try:
            size = os.preadv(self.fd, [piece], first, os.RWF_NOWAIT)
        except OSError:  # EAGAIN: not all of it; EOPNOTSUPP: a file system that cannot say
            return None
        return piece if size == len(piece) else None


class PackPieces:
    """Open packs and who may read them. To be used on the loop alone."""

    def __init__(self, cache_control: str, now_s: Callable[[], float] = time.monotonic) -> None:
        """cache_control: of every answer."""
        self._cache_control = cache_control
        self._now_s = now_s
        self._packs: OrderedDict[str, OpenPack] = OrderedDict()
        self._rights: OrderedDict[tuple[str, str], float] = OrderedDict()

    def may_read(self, token: str, pack_id: str, path: Path) -> None:
        """The token opens that pack, which lies there: known until RIGHT_S from now."""
        if (old := self._packs.pop(pack_id, None)) is not None:
            os.close(old.fd)  # it may have been removed and written again
        try:
            self._packs[pack_id] = OpenPack.open(path, self._cache_control)
        except OSError:
            return
        self._rights[token, pack_id] = self._now_s() + RIGHT_S
        self._rights.move_to_end((token, pack_id))
        self._forget()

    def answer(self, request: web.BaseRequest, token: str, pack_id: str) -> web.Response | None:
        """The piece that is asked for; None: not to be answered here."""
        pack = self._packs.get(pack_id)
        if pack is None or self._rights.get((token, pack_id), 0.0) <= self._now_s():
            return None
        headers = request.headers
        found = RANGE.fullmatch(headers.get(hdrs.RANGE, ""))
        if found is None or request.method != hdrs.METH_GET:
            return None
        if any(condition in headers for condition in CONDITIONS):
            return None
        first, last = int(found[1]), int(found[2])
        if not first <= last < min(pack.size_bytes, first + LARGEST_PIECE_BYTES):
            return None
        if (piece := pack.piece(first, last)) is None:
            return None
        ranged = {**pack.headers, hdrs.CONTENT_RANGE: f"bytes {first}-{last}/{pack.size_bytes}"}
        return web.Response(status=206, body=piece, headers=ranged)

    def close(self) -> None:
        """Close every pack."""
        for pack in self._packs.values():
            os.close(pack.fd)
        self._packs.clear()
        self._rights.clear()

    def _forget(self) -> None:
        while len(self._packs) > MOST_OPEN:
            _, pack = self._packs.popitem(last=False)
            os.close(pack.fd)
        while len(self._rights) > MOST_RIGHTS:
            self._rights.popitem(last=False)
