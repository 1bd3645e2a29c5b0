"""How files get into the folders of a restore: made here, or by processes beside it.

Both take entries in their order and let what depends on files wait for them: a hard link for its
target, a folder's own times for everything in it.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Final, Protocol

from haoscar_pxe.image.entry import AnyFile, Entry, stored_bytes
from haoscar_pxe.image.file_makers import FileFailedError, FileMakers
from haoscar_pxe.image.laying import lay_file
from haoscar_pxe.image.progress import Progress
from haoscar_pxe.image.read_ahead import ReadAhead

LATER_MAX: Final = 256
"""So many folders may wait for their files: each has a descriptor, and 1,024 is a usual limit."""


class Filling(Protocol):
    """Gives entries and takes the files among them back, with the folder to make them in."""

    def entries(self) -> Iterator[Entry]:
        """All entries; a file must be laid before the next is asked for."""
        ...

    def lay(self, entry: AnyFile, folder_fd: int, name: bytes) -> None:
        """Make the file, now or soon. Raises OSError, FileFailedError, what reading raises."""
        ...

    def when_made(self, path: bytes, folder_fd: int, act: Callable[[int], None]) -> None:
        """Call act with the folder, or a copy, once all files given until now are made, and after
        what was to be called before. path: what act is about. Raises as `lay`.
        """
        ...

    def finish(self) -> None:
        """Wait until all is made and called. Raises as `lay`."""
        ...

    def close(self) -> None:
        """Let go of everything; nothing more is called."""
        ...


class FillingHere:
    """Files are made where they are asked for; their content is read ahead."""

    def __init__(self, ahead: ReadAhead, progress: Progress) -> None:
        self._ahead = ahead
        self._progress = progress

    def entries(self) -> Iterator[Entry]:
        """See Filling."""
        return self._ahead.entries()

    def lay(self, entry: AnyFile, folder_fd: int, name: bytes) -> None:
        """See Filling."""
        lay_file(entry, folder_fd, name, self._counted(entry))

    def _counted(self, entry: AnyFile) -> Iterator[tuple[int, bytes]]:
        for piece in self._ahead.content(entry):
            yield piece
            self._progress.advance(len(piece[1]), 0)

    def when_made(self, path: bytes, folder_fd: int, act: Callable[[int], None]) -> None:
        """See Filling."""
        try:
            act(folder_fd)
        except OSError as error:
            raise FileFailedError(path, error) from error

    def finish(self) -> None:
        """See Filling."""

    def close(self) -> None:
        """See Filling."""


class FillingByMakers:
    """Files are made by other processes, in batches; what waits for them waits in a queue."""

    def __init__(self, entries: Iterable[Entry], makers: FileMakers, progress: Progress) -> None:
        self._entries = entries
        self._makers = makers
        self._progress = progress
        self._later: deque[tuple[int, bytes, int, Callable[[int], None]]] = deque()

    def entries(self) -> Iterator[Entry]:
        """See Filling."""
        return iter(self._entries)

    def lay(self, entry: AnyFile, folder_fd: int, name: bytes) -> None:
        """See Filling. A file counts as done when a maker has been asked for it."""
        self._makers.add(entry, entry.path[: -len(name)], folder_fd)
        self._progress.advance(stored_bytes(entry), 0)

    def when_made(self, path: bytes, folder_fd: int, act: Callable[[int], None]) -> None:
        """See Filling."""
        self._later.append((self._makers.newest, path, os.dup(folder_fd), act))
        self._act()
        while len(self._later) > LATER_MAX:
            self._wait()

    def finish(self) -> None:
        """See Filling."""
        while self._later:
            self._wait()

    def close(self) -> None:
        """See Filling."""
        for _, _, fd, _ in self._later:
            os.close(fd)
        self._later.clear()

    def _wait(self) -> None:
        self._makers.send()
        self._makers.wait()
        self._act()

    def _act(self) -> None:
        """Do what waits for nothing any more."""
        oldest = self._makers.oldest
        while self._later and self._later[0][0] < oldest:
            _, path, fd, act = self._later.popleft()
            try:
                act(fd)
            except OSError as error:
                raise FileFailedError(path, error) from error
            finally:
                os.close(fd)
