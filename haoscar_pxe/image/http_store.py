"""Packs at an HTTP server: `GET {base_url}/packs/<pack id>.pack`, read in ranges.

How patient it is, and what ends it at once, is told in `http_ranges.py`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from haoscar_pxe.errors import StorageError
from haoscar_pxe.image.http_ranges import HttpRanges
from haoscar_pxe.image.store import is_pack_id


class HttpStore(HttpRanges):
    """A PackStore at a server. Not for use by two threads at once."""

    def __init__(
        self,
        base_url: str,
        token: str,
        *,
        pack_ids: Sequence[str] = (),
        other_url: str = "",
        patience_s: float = 3600,
        on_wait: Callable[[str], None] = lambda reason: None,
        now_s: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        """pack_ids: what `pack_ids()` answers; a server of packs has no list of all."""
        super().__init__(
            base_url,
            token,
            other_url=other_url,
            patience_s=patience_s,
            on_wait=on_wait,
            now_s=now_s,
            pause=pause,
        )
        self._pack_ids = sorted(pack_ids)

    def __repr__(self) -> str:
        return f"HttpStore({str(self)!r})"

    def know(self, pack_ids: Sequence[str]) -> None:
        """Answer `pack_ids()` with these from now on."""
        self._pack_ids = sorted(pack_ids)

    def pack_ids(self) -> list[str]:
        """The ids given, ascending."""
        return list(self._pack_ids)

    def size(self, pack_id: str) -> int:
        """Bytes of the pack's file, asked for with a range of one byte."""
        return self._fetch(pack_id, 0, 1)[1]

    def read(self, pack_id: str, offset_bytes: int, size_bytes: int) -> bytes:
        """Exactly size_bytes bytes from offset_bytes on. Raises as `part`."""
        return self._fetch(pack_id, offset_bytes, size_bytes)[0] if size_bytes else b""

    def _fetch(self, pack_id: str, offset: int, size: int) -> tuple[bytes, int]:
        if not is_pack_id(pack_id):
            raise StorageError(f"{pack_id[:80]!r} is not the id of a pack")
        return self.part(f"/packs/{pack_id}.pack", f"pack {pack_id[:12]}", offset, size)
