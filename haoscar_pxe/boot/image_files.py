"""Read-only look into a generation: as much as boot decisions and boot files need."""

from __future__ import annotations

from typing import Protocol


class ImageFiles(Protocol):
    """Files of one generation, by path relative to its root."""

    def read(self, path: bytes) -> bytes | None:
        """The content of a regular file, symbolic links followed inside the image.

        None: there is no such file. Raises IntegrityError if the repository is damaged.
        """
        ...

    def is_regular(self, path: bytes) -> bool:
        """Whether the path itself is a regular file (or a hard link to one), no symbolic link."""
        ...

    def names(self, folder: bytes) -> list[bytes]:
        """What lies directly in a folder, sorted; empty if there is no such folder."""
        ...
