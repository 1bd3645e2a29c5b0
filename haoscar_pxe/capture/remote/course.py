"""How far a capture over ssh has come, and when one that was cut off is asked for again.

It knows neither ssh nor the repository: what an attempt is, the caller says.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from haoscar_pxe.capture.remote.ssh import HostKeyError, SshError
from haoscar_pxe.errors import CaptureError
from haoscar_pxe.image.progress import Progress

log = logging.getLogger(__name__)

PAUSES_S: Final = (2.0, 5.0, 15.0, 30.0, 60.0)
"""Before the next attempt: the first after one of which something was kept, then the others."""
ATTEMPTS_MAX: Final = 50

T = TypeVar("T")


class CutShortError(CaptureError):
    """The conversation with a head's agent ended in the middle."""


class Course:
    """A Progress that counts each byte once, however many attempts come past it.

    received_bytes, kept_bytes: what all attempts together took in from the head, and what the
    repository has of that; theirs to add to.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._bytes = self._entries = 0
        self._told_bytes = self._told_entries = 0
        self.received_bytes = self.kept_bytes = 0

    @property
    def has_begun(self) -> bool:
        """Whether a head has offered anything yet."""
        return self._told_bytes > 0 or self._told_entries > 0

    def begin(self) -> None:
        """An attempt begins at the head's first file."""
        self._bytes = self._entries = 0

    def expect(self, total_bytes: int) -> None:
        """See image.progress.Progress."""
        self._progress.expect(total_bytes)

    def advance(self, size_bytes: int, entries: int = 1) -> None:
        """See image.progress.Progress; only what no attempt before had is told."""
        self._bytes += size_bytes
        self._entries += entries
        new_bytes = max(0, self._bytes - self._told_bytes)
        new_entries = max(0, self._entries - self._told_entries)
        self._told_bytes += new_bytes
        self._told_entries += new_entries
        if new_bytes or new_entries:
            self._progress.advance(new_bytes, new_entries)


def persevere(
    attempt: Callable[[], T],
    course: Course,
    pauses_s: Sequence[float] = PAUSES_S,
    sleep: Callable[[float], None] = time.sleep,
) -> T:
    """Attempt it until it comes to its end.

    What fails before anything ever came is no broken line, and is raised at once; so is what is
    neither SshError nor CutShortError, and a host key that is suddenly another. Else it is given
    up when nothing new was kept for all of the pauses, or after ATTEMPTS_MAX; the last error is
    raised.
    """
    in_vain = 0
    for _ in range(ATTEMPTS_MAX - 1):
        before_bytes = course.kept_bytes
        course.begin()
        try:
            return attempt()
        except HostKeyError:
            raise
        except (SshError, CutShortError) as error:
            in_vain = 0 if course.kept_bytes > before_bytes else in_vain + 1
            if not course.has_begun or in_vain >= len(pauses_s):
                raise
            log.warning("cut off, trying again in %g s: %s", pauses_s[in_vain], error)
        sleep(pauses_s[in_vain])
    course.begin()
    return attempt()
