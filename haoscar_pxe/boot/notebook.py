"""What the server notes down while it answers, written every two seconds by a thread of its own.

Answering costs one entry in memory; who it was, by address or MAC, is looked up in the thread.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from haoscar_pxe.boot.sightings import Sightings
from haoscar_pxe.errors import HaoscarError
from haoscar_pxe.nodes.registry import Registry
from haoscar_pxe.nodes.strangers import StrangerFile
from haoscar_pxe.nodes.timeline import Happening, TimelineFile

log = logging.getLogger(__name__)

EVERY_S: Final = 2.0
MOST_WAITING: Final = 65_536
"""Between two writings. When there is more, the oldest of it is lost."""


class Notebook:
    """Both files and what is not yet in them. Owns the files."""

    def __init__(self, registry: Registry, strangers: StrangerFile, timeline: TimelineFile) -> None:
        self.sightings = Sightings(strangers.all())
        self._registry = registry
        self._strangers = strangers
        self._timeline = timeline
        self._waiting: deque[tuple[str, Happening]] = deque(maxlen=MOST_WAITING)

    def happened(self, who: str, happening: Happening) -> None:
        """Note it. who: a MAC or an IPv4 address; what is no node's is dropped later."""
        self._waiting.append((who, happening))

    @contextmanager
    def writing(self, every_s: float = EVERY_S) -> Iterator[None]:
        """Write while the block runs, and once more at its end; then the files are closed."""
        stopping = threading.Event()

        def keep_writing() -> None:
            while not stopping.wait(every_s):
                self.write()

        thread = threading.Thread(target=keep_writing, name="notebook")
        thread.start()
        try:
            yield
        finally:
            stopping.set()
            thread.join()
            self.write()
            self._strangers.close()
            self._timeline.close()

    def write(self) -> None:
        """Write all that was noted until now. What cannot be written is logged and lost."""
        if seen := self.sightings.unkept():
            _try(lambda: self._strangers.keep(seen))
        if named := self._named():
            _try(lambda: self._timeline.keep(named))

    def _named(self) -> list[tuple[str, Happening]]:
        names: dict[str, str | None] = {}
        named = []
        for _ in range(len(self._waiting)):
            who, happening = self._waiting.popleft()
            if who not in names:
                find = self._registry.by_mac if ":" in who else self._registry.by_address
                node = find(who)
                names[who] = node.name if node else None
            if (name := names[who]) is not None:
                named.append((name, happening))
        return named


def _try(write: Callable[[], None]) -> None:
    try:
        write()
    except HaoscarError as error:
        log.error("%s (%s)", error, error.hint)
