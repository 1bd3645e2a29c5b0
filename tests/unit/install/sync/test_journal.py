from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haoscar_pxe.errors import IntegrityError
from haoscar_pxe.image.entry import Metadata
from haoscar_pxe.install.sync import journal as journals
from haoscar_pxe.install.sync.journal import (
    Journal,
    Link,
    MakeFolder,
    Mounted,
    Put,
    Remove,
    SetAttributes,
)

META = Metadata(0o4755, 1, 2, -3, ((b"user.a", b"b"),))
JOURNAL = Journal(
    image="primary",
    generation=2,
    manifest_id="aa",
    mounted=(Mounted("/", "d0d0", "ext4"), Mounted("/boot", "d1d1", "ext4")),
    steps=(
        MakeFolder(b"a", META),
        Put(b"a/\xff", b"0"),
        Link(b"a/link", b"a/\xff"),
        SetAttributes(b"a", META, True, False),
        Remove(b"gone"),
    ),
)


def test_what_was_committed_is_read_back(tmp_path: Path) -> None:
    assert journals.read(tmp_path) is None
    journals.commit(tmp_path, JOURNAL)
    assert journals.read(tmp_path) == JOURNAL
    assert [path.name for path in tmp_path.iterdir()] == ["journal"]
    journals.close(tmp_path)
    assert journals.read(tmp_path) is None


def test_one_that_was_half_written_does_not_count_and_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "journal.new").write_bytes(b"HXSYNC")
    assert journals.read(tmp_path) is None
    journals.commit(tmp_path, JOURNAL)
    assert journals.read(tmp_path) == JOURNAL


@given(st.data())
def test_every_flipped_bit_is_found(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    journals.commit(folder, JOURNAL)
    path = folder / "journal"
    content = bytearray(path.read_bytes())
    bit = data.draw(st.integers(0, len(content) * 8 - 1))
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)
    with pytest.raises(IntegrityError, match="is damaged"):
        journals.read(folder)
