"""A server of files behind HTTP ranges (RFC 9110 section 14), asked by one who must not give up.

    GET {base_url}{path}       Range: bytes=first-last
    Authorization: Bearer {token}

One connection is kept alive. When server or network go away, it waits, tries again with growing
pauses, and goes on from the byte it had; only what the server says in so many words (no such
file, not with this token) ends it at once. Standard library only: it runs in the initramfs.
"""

from __future__ import annotations

import http.client
import re
import time
from collections.abc import Callable
from typing import Final, TypeVar
from urllib.parse import SplitResult, urlsplit

from haoscar_pxe.errors import StorageError
from haoscar_pxe.image.store import StoreUnreachableError

TIMEOUT_S: Final = 20.0
FIRST_PAUSE_S: Final = 0.25
LONGEST_PAUSE_S: Final = 10.0
PIECE_BYTES: Final = 256 << 10
"""What may have to be fetched again after a connection broke."""
SAID_BYTES: Final = 300
"""Of what a server says when it refuses, this much goes into the message."""

PARTIAL_CONTENT: Final = 206
ACCEPTED: Final = (200, 204)
REFUSED: Final = (401, 403)
NOT_FOUND: Final = (404, 410, 416)
_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,18})-[0-9]{1,18}/([0-9]{1,18})")

T = TypeVar("T")


class NotServedError(StorageError):
    """The server answers, and has no such file or no such range of it."""


class _TryAgainError(Exception):
    """The server answered, but with something that may be over in a moment."""


class HttpRanges:
    """Files at a server. Not for use by two threads at once."""

    def __init__(
        self,
        base_url: str,
        token: str,
        *,
        other_url: str = "",
        patience_s: float = 3600,
        on_wait: Callable[[str], None] = lambda reason: None,
        now_s: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        """other_url: of a server with the same files, "" for none; asked in turn with the first one
        while that does not answer, and its word that it has no such file ends nothing.
        patience_s: how long to try without receiving a single byte. on_wait: told why, before
        every pause. Raises StorageError for a base_url that is not http or https.
        """
        self._first = self._url = _server_url(base_url)
        self._other = _server_url(other_url) if other_url else self._first
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._patience_s = patience_s
        self._on_wait = on_wait
        self._now_s = now_s
        self._pause = pause
        self._connection: http.client.HTTPConnection | None = None

    def __str__(self) -> str:
        return self._url.geturl()

    def part(
        self,
        path: str,
        what: str,
        offset_bytes: int,
        size_bytes: int,
        patience_s: float | None = None,
    ) -> tuple[bytes, int]:
        """Exactly size_bytes (1 or more) bytes of a file, and the size of the whole file.

        what: the file, for messages. patience_s: no more than this. Raises NotServedError,
        StorageError (a server that does not serve ranges), StoreUnreachableError (patience is over,
        or the token opens nothing).
        """
        received = bytearray()

        def go_on() -> int:
            had = len(received)
            return self._receive(path, what, offset_bytes + had, size_bytes - had, received)

        total = self._patiently(go_on, lambda: len(received), patience_s)
        return bytes(received), total

    def whole(self, path: str, what: str, most_bytes: int) -> bytes:
        """The file, of at most most_bytes; begun anew when it breaks off. Raises as `part`."""

        def fetch() -> bytes:
            response = self._ask(path, what)
            received = response.read(most_bytes + 1)
            if len(received) > most_bytes:
                self.close()
                raise StorageError(f"{self} sends more than {most_bytes} bytes for {what}")
            return received

        return self._patiently(fetch, lambda: 0)

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _patiently(
        self, act: Callable[[], T], progress: Callable[[], int], patience_s: float | None = None
    ) -> T:
        """What act returns, once it does; patience begins anew whenever there was progress."""
        patience_s = self._patience_s if patience_s is None else min(patience_s, self._patience_s)
        waiting = _Waiting(patience_s, self._now_s)
        while True:
            had, was_kept = progress(), self._connection is not None
            try:
                return act()
            except (OSError, http.client.HTTPException, _TryAgainError) as error:
                self.close()
                if progress() > had:
                    waiting.begin_again()
                elif was_kept and not isinstance(error, _TryAgainError):
                    continue  # a kept connection that the server closed while it was idle
                reason = f"{self}: {error or type(error).__name__}"
                pause_s = waiting.next_pause_s(reason)
                self._on_wait(reason)
                self._pause(pause_s)
                self._url = self._other if self._url is self._first else self._first

    def _receive(self, path: str, what: str, offset: int, size: int, into: bytearray) -> int:
        """Append up to size bytes; the whole file's size. What is appended stays on an error."""
        response = self._ask(path, what, span=f"bytes={offset}-{offset + size - 1}")
        total, wanted = 0, len(into) + size
        while len(into) < wanted:
            piece = response.read(min(PIECE_BYTES, wanted - len(into)))
            if not piece:
                raise http.client.IncompleteRead(b"", wanted - len(into))
            # Only now: broken off amid its headers, an answer looks like one without this header.
            total = total or _file_size(response, offset)
            into += piece
        if not response.isclosed():  # it has more to say than was asked for
            self.close()
        return total

    def _ask(self, path: str, what: str, *, span: str = "") -> http.client.HTTPResponse:
        headers = {**self._headers, **({"Range": span} if span else {})}
        connection = self._connect()
        connection.request("GET", f"{self._url.path}{path}", headers=headers)
        response = connection.getresponse()
        if span and response.status != PARTIAL_CONTENT:
            self._refuse(response, what)
        if not span and response.status not in ACCEPTED:
            self._refuse(response, what)
        return response

    def _connect(self) -> http.client.HTTPConnection:
        if self._connection is None:
            is_tls = self._url.scheme == "https"
            kind = http.client.HTTPSConnection if is_tls else http.client.HTTPConnection
            host = self._url.hostname or ""
            self._connection = kind(host, self._url.port, timeout=TIMEOUT_S)
        return self._connection

    def _refuse(self, response: http.client.HTTPResponse, what: str) -> None:
        """Raise for an answer that is not what was asked for."""
        said = response.read(SAID_BYTES).decode("utf-8", "replace").strip()
        self.close()
        answer = f"{self} answered {response.status} for {what}: {said}"
        if self._url is not self._first:
            raise _TryAgainError(f"answered {response.status}: {said}")
        if response.status in REFUSED:
            raise StoreUnreachableError(answer, hint="the order's token may be used up: arm again")
        if response.status in NOT_FOUND:
            raise NotServedError(answer, hint="run 'haoscar-pxe image verify' on the server")
        if response.status < 400:
            raise StorageError(f"{self} does not serve ranges (status {response.status})")
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


def _file_size(response: http.client.HTTPResponse, offset: int) -> int:
    """The file's whole size from Content-Range (RFC 9110 section 14.4)."""
    header = response.getheader("Content-Range", "")
    match = _CONTENT_RANGE.fullmatch(header)
    if match is None or int(match[1]) != offset:
        raise StorageError(f"asked for a range from {offset}, the server sent {header!r}")
    return int(match[2])
