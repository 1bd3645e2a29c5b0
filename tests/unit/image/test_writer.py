"""What a writer kept is in the repository, whatever becomes of the writer."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from blake3 import blake3

from haoscar_pxe.image.repository import Repository

CHUNKS = tuple(bytes([number]) * 5000 for number in range(20))


def test_what_was_kept_outlives_a_kill_and_what_was_not_is_gone(tmp_path: Path) -> None:
    repository = Repository.create(tmp_path / "repository")
    child = os.fork()
    if child == 0:
        try:
            with repository.writer("primary") as writer:
                for data in CHUNKS[:15]:
                    writer.add_chunk(data)
                writer.keep()
                for data in CHUNKS[15:]:
                    writer.add_chunk(data)
                os.kill(os.getpid(), signal.SIGKILL)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert repository.images() == []
    with repository.writer("primary") as writer:
        known = [writer.has_chunk(blake3(data).digest()) for data in CHUNKS]
    assert known == [True] * 15 + [False] * 5
