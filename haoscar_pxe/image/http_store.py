"""Packs behind HTTP ranges (RFC 9110 section 14), for a machine that must not give up easily.

    GET {base_url}/packs/<pack id>.pack     Range: bytes=first-last
    Authorization: Bearer {token}

One connection is kept alive. When server or network go away, the store waits, tries again with
growing pauses, and goes on from the byte it had; only what the server says in so many words (no
such pack, not with this token) ends it at once. Standard library only: it runs in the initramfs.
"""

from __future__ import annotations

import http.client
import re
import time
from collections.abc import Callable, Sequence
from typing import Final
from urllib.parse import SplitResult, urlsplit

from haoscar_pxe.errors import StorageError
from haoscar_pxe.image.store import StoreUnreachableError, is_pack_id

TIMEOUT_S: Final = 20.0
FIRST_PAUSE_S: Final = 0.25
LONGEST_PAUSE_S: Final = 10.0
PIECE_BYTES: Final = 256 << 10
"""What may have to be fetched again after a connection broke."""
SAID_BYTES: Final = 300
"""Of what a server says when it refuses, this much goes into the message."""

PARTIAL_CONTENT: Final = 206
REFUSED: Final = (401, 403)
NOT_FOUND: Final = (404, 410, 416)
_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,18})-[0-9]{1,18}/([0-9]{1,18})")


class _TryAgainError(Exception):
    """The server answered, but with something that may be over in a moment."""


class HttpStore:
    """A PackStore at a server. Not for use by two threads at once."""

    def __init__(
        self,
        base_url: str,
        token: str,
        *,
        pack_ids: Sequence[str] = (),
        patience_s: float = 3600,
        on_wait: Callable[[str], None] = lambda reason: None,
        now_s: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        """pack_ids: what `pack_ids()` answers; a server of packs has no list of all.

        patience_s: how long to try without receiving a single byte. on_wait: told why, before
        every pause. Raises StorageError for a base_url that is not http or https.
        """
        self._url = _server_url(base_url)
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._pack_ids = sorted(pack_ids)
        self._patience_s = patience_s
        self._on_wait = on_wait
        self._now_s = now_s
        self._pause = pause
        self._connection: http.client.HTTPConnection | None = None

    def __repr__(self) -> str:
        return f"HttpStore({self._url.geturl()!r})"

    def pack_ids(self) -> list[str]:
        """The ids given at creation, ascending."""
        return list(self._pack_ids)

    def size(self, pack_id: str) -> int:
        """Bytes of the pack's file, asked for with a range of one byte."""
        return self._fetch(pack_id, 0, 1)[1]

    def read(self, pack_id: str, offset_bytes: int, size_bytes: int) -> bytes:
        """Exactly size_bytes bytes from offset_bytes on.

        Raises StorageError (no such pack or range), StoreUnreachableError (patience is over, or
        the token opens nothing).
        """
        return self._fetch(pack_id, offset_bytes, size_bytes)[0] if size_bytes else b""

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _fetch(self, pack_id: str, offset: int, size: int) -> tuple[bytes, int]:
        """The bytes, and the size of the whole pack."""
        if not is_pack_id(pack_id):
            raise StorageError(f"{pack_id[:80]!r} is not the id of a pack")
        received = bytearray()
        total = 0
        waiting = _Waiting(self._patience_s, self._now_s)
        while len(received) < size:
            had, was_kept = len(received), self._connection is not None
            try:
                total = self._receive(pack_id, offset + had, size - had, received)
            except (OSError, http.client.HTTPException, _TryAgainError) as error:
                self.close()
                if len(received) > had:
                    waiting.begin_again()
                elif was_kept:
                    continue  # a kept connection that the server closed while it was idle
                reason = f"{self!r}: {error or type(error).__name__}"
                self._wait(waiting.next_pause_s(reason), reason)
        return bytes(received), total

    def _wait(self, pause_s: float, reason: str) -> None:
        self._on_wait(reason)
        self._pause(pause_s)

    def _receive(self, pack_id: str, offset: int, size: int, into: bytearray) -> int:
        """Append up to size bytes; the pack's whole size. What is appended stays on an error."""
        connection = self._connect()
        span = {"Range": f"bytes={offset}-{offset + size - 1}", **self._headers}
        connection.request("GET", f"{self._url.path}/packs/{pack_id}.pack", headers=span)
        response = connection.getresponse()
        if response.status != PARTIAL_CONTENT:
            self._refuse(response, pack_id)
        total, wanted = 0, len(into) + size
        while len(into) < wanted:
            piece = response.read(min(PIECE_BYTES, wanted - len(into)))
            if not piece:
                raise http.client.IncompleteRead(b"", wanted - len(into))
            # Only now: broken off amid its headers, an answer looks like one without this header.
            total = total or _pack_size(response, offset)
            into += piece
        if not response.isclosed():  # it has more to say than was asked for
            self.close()
        return total

    def _connect(self) -> http.client.HTTPConnection:
        if self._connection is None:
            is_tls = self._url.scheme == "https"
            kind = http.client.HTTPSConnection if is_tls else http.client.HTTPConnection
            host = self._url.hostname or ""
            self._connection = kind(host, self._url.port, timeout=TIMEOUT_S)
        return self._connection

    def _refuse(self, response: http.client.HTTPResponse, pack_id: str) -> None:
        """Raise for an answer that is not the range asked for."""
        said = response.read(SAID_BYTES).decode("utf-8", "replace").strip()
        self.close()
        answer = f"{self!r} answered {response.status} for pack {pack_id[:12]}: {said}"
        if response.status in REFUSED:
            raise StoreUnreachableError(answer, hint="the order's token may be used up: arm again")
        if response.status in NOT_FOUND:
            raise StorageError(answer, hint="run 'haoscar-pxe image verify' on the server")
        if response.status < 400:
            raise StorageError(f"{self!r} does not serve ranges (status {response.status})")
        raise _TryAgainError(f"answered {response.status}: {said}")


class _Waiting:
    """Pauses that grow, until patience is over."""

    def __init__(self, patience_s: float, now_s: Callable[[], float]) -> None:
        self._patience_s = patience_s
        self._now_s = now_s
        self.begin_again()

    def begin_again(self) -> None:
        """Something arrived: patience and pauses start anew."""
        self._since_s = self._now_s()
        self._pause_s = FIRST_PAUSE_S

    def next_pause_s(self, reason: str) -> float:
        """How long to pause now. Raises StoreUnreachableError when patience is over."""
        waited_s = self._now_s() - self._since_s
        if waited_s >= self._patience_s:
            raise StoreUnreachableError(
                f"nothing received for {waited_s:.0f} s: {reason}",
                hint="is 'haoscar-pxe serve' running and reachable from here?",
            )
        pause_s = self._pause_s
        self._pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        return min(pause_s, self._patience_s - waited_s)


def _server_url(base_url: str) -> SplitResult:
    url = urlsplit(base_url.rstrip("/"))
    try:
        is_server = url.scheme in ("http", "https") and url.hostname and url.port != 0
    except ValueError:  # a port that is no number
        is_server = False
    if not is_server:
        raise StorageError(f"{base_url!r} is not the address of an HTTP server")
    return url


def _pack_size(response: http.client.HTTPResponse, offset: int) -> int:
    """The pack's whole size from Content-Range (RFC 9110 section 14.4)."""
    header = response.getheader("Content-Range", "")
    match = _CONTENT_RANGE.fullmatch(header)
    if match is None or int(match[1]) != offset:
        raise StorageError(f"asked for a range from {offset}, the server sent {header!r}")
    return int(match[2])
