"""A generation less its secrets: what can be laid down where no opening key is at hand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from haoscar_pxe.image.entry import Entry, HardLink, SealedFile


class WithoutSealed:
    """Entries in their order without the sealed files and the other names of these.

    left_out: paths of those passed over so far.
    """

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._entries = entries
        self._sealed: set[bytes] = set()
        self.left_out: list[bytes] = []

    def __iter__(self) -> Iterator[Entry]:
        for entry in self._entries:
            if isinstance(entry, SealedFile):
                self._sealed.add(entry.path)
            if isinstance(entry, SealedFile) or (
                isinstance(entry, HardLink) and entry.target in self._sealed
            ):
                self.left_out.append(entry.path)
            else:
                yield entry
