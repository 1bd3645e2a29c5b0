"""Which pack holds a chunk: the indexes of many packs, looked up as one.

About 130 bytes of memory a chunk. A pack whose index is damaged or gone is left out and
remembered: its chunks count as missing, so that a capture stores them again, and nothing else of
the repository suffers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from haoscar_pxe.errors import HaoscarError, RepositoryError
from haoscar_pxe.image.pack import MAX_ROWS, Location, PackIndex
from haoscar_pxe.image.store import PackStore, StoreUnreachableError, read_index


@dataclass(frozen=True, slots=True)
class Found:
    """A chunk in a store."""

    pack: PackIndex
    location: Location


class ChunkIndex:
    """Chunk ids to their places. left_out: what is wrong with packs that could not be read."""

    def __init__(self) -> None:
        self._packs: list[PackIndex] = []
        self._rows: dict[bytes, int] = {}
        self.left_out: list[HaoscarError] = []

    @classmethod
    def of(cls, store: PackStore, pack_ids: Iterable[str]) -> ChunkIndex:
        """Read the indexes of these packs. Raises StoreUnreachableError."""
        index = cls()
        for pack_id in pack_ids:
            try:
                index.add(read_index(store, pack_id))
            except StoreUnreachableError:
                raise
            except RepositoryError as error:
                index.left_out.append(error)
        return index

    def add(self, pack: PackIndex) -> None:
        """Take in one more pack. A chunk that several packs hold is read from the first."""
        first = len(self._packs) * MAX_ROWS
        self._packs.append(pack)
        for row, chunk_id in enumerate(pack.chunk_ids(), first):
            self._rows.setdefault(chunk_id, row)

    @property
    def packs(self) -> Sequence[PackIndex]:
        """The packs that were taken in, in that order."""
        return self._packs

    def lacks(self, chunk_ids: set[bytes]) -> set[bytes]:
        """Those that are in none of the packs; much faster than to ask for each."""
        return chunk_ids.difference(self._rows)

    def __contains__(self, chunk_id: bytes) -> bool:
        return chunk_id in self._rows

    def __len__(self) -> int:
        return len(self._rows)

    def find(self, chunk_id: bytes) -> Found | None:
        """Where the chunk is, or None."""
        place = self.place(chunk_id)
        if place is None:
            return None
        pack = self._packs[place[0]]
        return Found(pack, pack.location(place[1]))

    def place(self, chunk_id: bytes) -> tuple[int, int] | None:
        """Which of `packs` the chunk is read from and the row in it, or None."""
        number = self._rows.get(chunk_id)
        return None if number is None else divmod(number, MAX_ROWS)
