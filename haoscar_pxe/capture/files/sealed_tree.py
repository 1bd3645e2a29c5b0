"""What of one tree is sealed: a file's path and content decide, and so do its other names.

A hard link to /etc/shadow outside of /etc may come before it in the walk. So where a file with
several names is met under one that is no secret's, the names of the whole tree are looked through
once, with whatever else goes through them; a capture in which no such file changed does not pay
for it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from haoscar_pxe.capture.files.links import may_be_linked
from haoscar_pxe.capture.files.secrets import Sealing, Secrets
from haoscar_pxe.capture.files.walk import Losses, Visit, walk
from haoscar_pxe.capture.scope.scope import Scope


class SealedTree:
    """What of a tree is a secret, and the key that seals it."""

    def __init__(self, sealing: Sealing, root_fd: int, scope: Scope) -> None:
        self.key = sealing.key
        self.secrets = Secrets(sealing.rules)
        self.linked = LinkedSecrets(root_fd, scope, self.secrets)

    def of(self, path: bytes, status: os.stat_result) -> _Sealed:
        """The secrecy of the file with this status that is met at path."""
        is_secret = self.secrets.is_path(path) or status in self.linked
        return _Sealed(self, path, is_secret)


@dataclass(frozen=True, slots=True)
class _Sealed:
    """The `Secrecy` of one file."""

    tree: SealedTree
    path: bytes
    is_secret: bool

    def is_content(self, pieces: Iterable[bytes]) -> bool:
        return self.tree.secrets.is_content(self.path, pieces)

    def seal(self, data: bytes) -> bytes:
        return self.tree.key.seal(data)


class LinkedSecrets:
    """Asked whether a file has a secret's name somewhere in the tree."""

    def __init__(self, root_fd: int, scope: Scope, secrets: Secrets) -> None:
        self._root_fd = root_fd
        self._scope = scope
        self._secrets = secrets
        self._found: frozenset[tuple[int, int]] | None = None

    def __contains__(self, status: os.stat_result) -> bool:
        if not may_be_linked(status):
            return False
        if self._found is None:
            self._look_around()
        assert self._found is not None
        return (status.st_dev, status.st_ino) in self._found

    def noting(self, visits: Iterable[Visit]) -> Iterator[Visit]:
        """The same visits, which must be those of the whole tree: they answer what is asked."""
        found = set()
        for visit in visits:
            status = visit.status
            if status and may_be_linked(status) and self._secrets.is_path(visit.path):
                found.add((status.st_dev, status.st_ino))
            yield visit
        self._found = frozenset(found)

    def _look_around(self) -> None:
        for _ in self.noting(walk(self._root_fd, self._scope, Losses())):
            pass
