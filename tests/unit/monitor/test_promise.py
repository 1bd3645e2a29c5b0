"""The file of promises, whole and damaged."""

from __future__ import annotations

from pathlib import Path

import pytest

from haoscar_pxe.errors import FailoverError
from haoscar_pxe.monitor.promise import RESERVE, Promises


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "promise"


def test_a_new_member_has_promised_nothing(path: Path) -> None:
    assert Promises(path).limit == 0


def test_what_was_promised_is_there_after_a_restart(path: Path) -> None:
    Promises(path).raise_to(RESERVE)
    again = Promises(path)
    assert again.limit == RESERVE
    again.raise_to(3 * RESERVE)
    assert Promises(path).limit == 3 * RESERVE


def test_a_promise_is_never_lowered(path: Path) -> None:
    promises = Promises(path)
    promises.raise_to(RESERVE)
    promises.raise_to(5)
    assert promises.limit == Promises(path).limit == RESERVE


def test_the_file_never_grows_so_a_full_disk_cannot_stop_it(path: Path) -> None:
    promises = Promises(path)
    size = path.stat().st_size
    for number in range(1, 20):
        promises.raise_to(number)
    assert path.stat().st_size == size
    assert Promises(path).limit == 19


@pytest.mark.parametrize("cut", range(0, 64, 7))
def test_a_slot_that_was_half_written_leaves_the_other_one(path: Path, cut: int) -> None:
    """The third write goes where the first one was; a power cut leaves so many bytes of it."""
    promises = Promises(path)
    promises.raise_to(100)
    before = path.read_bytes()
    promises.raise_to(200)
    after = path.read_bytes()
    changed = [at for at, (a, b) in enumerate(zip(before, after, strict=True)) if a != b]
    start = changed[0] - changed[0] % 4096
    path.write_bytes(before[:start] + after[start : start + cut] + before[start + cut :])
    assert Promises(path).limit in (100, 200)


def test_two_damaged_slots_are_refused_with_what_to_do(path: Path) -> None:
    Promises(path)
    path.write_bytes(bytes(path.stat().st_size))
    with pytest.raises(FailoverError, match="is damaged") as caught:
        Promises(path)
    assert "stop the monitors" in caught.value.hint


def test_a_file_that_is_too_short_is_damaged_not_new(path: Path) -> None:
    Promises(path)
    path.write_bytes(b"")
    with pytest.raises(FailoverError, match="is damaged"):
        Promises(path)
