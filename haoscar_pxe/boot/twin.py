"""The other server of the same nodes: it is told of ours, and asked for its own.

Each asks the other twice a second; an answer holds all nodes, and is sent only where it is another
one than before. One that does not answer is asked on: meanwhile this server goes on with what it
knows. What follows from an answer is decided in `nodes.twin`.
"""

from __future__ import annotations

import http.client
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2s
from time import monotonic
from typing import Final
from urllib.parse import urlsplit

import msgspec

from haoscar_pxe.errors import HaoscarError, NodeError
from haoscar_pxe.nodes.registry import Registry
from haoscar_pxe.nodes.twin import Told, divided, on_first, on_second

log = logging.getLogger(__name__)

EVERY_S: Final = 0.5
SHARE: Final = 4
"""Pauses are so many times as long as the question before took: what it costs stays a fifth."""
LONGEST_PAUSE_S: Final = 2.0
TIMEOUT_S: Final = 2.0
LARGEST_BYTES: Final = 256 << 20
PATH: Final = "/v1/nodes"
ALIVE_S: Final = 3.0
"""A server that has not asked for so long is not waited for."""
MOST_WAITING: Final = 8
"""Threads that may wait until the other server knows; the server's other answers need some too."""


@dataclass(frozen=True, slots=True)
class Telling:
    """What is told; tag: equal where that is equal."""

    tag: str
    body: bytes


class Teller:
    """Tells this server's nodes."""

    def __init__(self, registry: Registry, *, is_second: bool) -> None:
        self._registry = registry
        self._is_second = is_second
        self._lock = threading.Lock()
        self._told: tuple[int, Telling] | None = None
        self._asked = threading.Condition()
        self._times = 0
        self._last_s = -ALIVE_S
        self._waiting = threading.BoundedSemaphore(MOST_WAITING)

    def wait_until_known(self) -> None:
        """Until the other server knows what stands in the registry now, if it is there at all.

        Who is told afterwards that something was recorded may rely on it even if this server dies
        at once. The second question from now on tells that the answer to the first was taken.
        """
        if not self._waiting.acquire(blocking=False):
            return
        with self._asked:
            until = self._last_s + ALIVE_S
            enough = self._times + 2
            self._asked.wait_for(lambda: self._times >= enough, max(0.0, until - monotonic()))
        self._waiting.release()

    def tell(self) -> Telling:
        """All of them; the first server reserves orders for the second before it says so."""
        with self._asked:
            self._times += 1
            self._last_s = monotonic()
            self._asked.notify_all()
        with self._lock:
            version = self._registry.version()
            if self._told is not None and self._told[0] == version:
                return self._told[1]
            if not self._is_second:
                self._registry.rewrite(lambda nodes: [divided(each) for each in nodes])
            told = Told(is_second=self._is_second, nodes=tuple(self._registry.nodes()))
            body = msgspec.json.encode(told)
            telling = Telling(blake2s(body).hexdigest(), body)
            self._told = (version, telling)
            return telling


class Listener:
    """Asks the other server. url: without a trailing slash."""

    def __init__(self, registry: Registry, url: str, token: str, *, is_second: bool) -> None:
        self._registry = registry
        self._url = url
        self._token = token
        self._is_second = is_second
        self._tag = ""
        self._trouble = ""

    @contextmanager
    def listening(self, every_s: float = EVERY_S) -> Iterator[None]:
        """Ask while the block runs, in a thread."""
        stopping = threading.Event()

        def ask_on() -> None:
            pause_s = every_s
            while not stopping.wait(pause_s):
                began = monotonic()
                self.listen()
                pause_s = max(every_s, min(SHARE * (monotonic() - began), LONGEST_PAUSE_S))

        thread = threading.Thread(target=ask_on, name="twin", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stopping.set()
            thread.join()

    def listen(self) -> bool:
        """Ask once; whether it answered. Said in the log where that changes."""
        try:
            self._take(self._asked())
        except (OSError, http.client.HTTPException, HaoscarError) as error:
            self._tag = ""  # what was not taken is asked for again
            self._note(str(error) or type(error).__name__)
            return False
        except Exception:  # the boundary of one question: the thread must go on asking
            self._tag = ""
            log.exception("twin %s: its answer cannot be taken", self._url)
            return False
        self._note("")
        return True

    def _asked(self) -> bytes | None:
        parts = urlsplit(self._url)
        connection = http.client.HTTPConnection(
            parts.hostname or "", parts.port or 80, timeout=TIMEOUT_S
        )
        headers = {"Authorization": f"Bearer {self._token}", "If-None-Match": self._tag}
        try:
            connection.request("GET", PATH, headers=headers)
            with connection.getresponse() as response:
                body = response.read(LARGEST_BYTES)
                if response.status == http.client.NOT_MODIFIED:
                    return None
                if response.status != http.client.OK:
                    raise NodeError(f"it says {response.status} {body[:200]!r}")
                self._tag = response.headers.get("ETag", "")
                return body
        finally:
            connection.close()

    def _take(self, body: bytes | None) -> None:
        if body is None:
            return
        try:
            told = msgspec.json.decode(body, type=Told)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise NodeError(f"its nodes cannot be read: {error}") from error
        if told.is_second == self._is_second:
            raise NodeError("both servers say of themselves that they are the same one of the two")
        merge = on_second if self._is_second else on_first
        self._registry.rewrite(lambda mine: merge(mine, told))

    def _note(self, trouble: str) -> None:
        if trouble and not self._trouble:
            log.warning("twin %s: %s; going on with what is known here", self._url, trouble)
        elif self._trouble and not trouble:
            log.info("twin %s answers again", self._url)
        self._trouble = trouble
