"""The build cache: things are made once, whole, and a killed builder's leftovers go."""

from __future__ import annotations

import multiprocessing
import time
from pathlib import Path

import pytest

from haoscar_pxe.boot.build_cache import opened
from haoscar_pxe.errors import BootError


def make_once(folder: Path, count: Path) -> None:
    with opened(folder, "a thing") as cache:
        cache.make("thing", lambda path: _build(path, count))


def _build(path: Path, count: Path) -> None:
    with count.open("a") as file:
        file.write("built\n")
    time.sleep(0.2)
    path.write_text("thing")


def _write(path: Path) -> None:
    path.write_text("x")


def test_what_was_made_is_not_made_again(tmp_path: Path) -> None:
    for _ in range(2):
        make_once(tmp_path / "cache", tmp_path / "count")
    assert (tmp_path / "cache/thing").read_text() == "thing"
    assert (tmp_path / "count").read_text() == "built\n"


def test_two_processes_that_want_the_same_make_it_once(tmp_path: Path) -> None:
    arguments = (tmp_path / "cache", tmp_path / "count")
    context = multiprocessing.get_context("spawn")
    both = [context.Process(target=make_once, args=arguments) for _ in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join(60)
        assert process.exitcode == 0
    assert (tmp_path / "count").read_text() == "built\n"


def test_a_build_that_fails_leaves_nothing_that_looks_made(tmp_path: Path) -> None:
    def fails(path: Path) -> None:
        path.write_text("half")
        raise BootError("no kernel")

    with pytest.raises(BootError, match="no kernel"), opened(tmp_path, "a thing") as cache:
        cache.make("thing", fails)
    assert not (tmp_path / "thing").exists()
    make_once(tmp_path, tmp_path / "count")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "count", "thing"]


def test_a_key_leads_to_what_was_made_for_it(tmp_path: Path) -> None:
    with opened(tmp_path, "a thing") as cache:
        assert cache.made_for("key") is None
        made = cache.make("thing", _write)
        cache.remember("key", made)
    with opened(tmp_path, "a thing") as cache:
        assert cache.made_for("key") == tmp_path / "thing"


def test_a_key_whose_thing_was_removed_leads_nowhere(tmp_path: Path) -> None:
    with opened(tmp_path, "a thing") as cache:
        made = cache.make("thing", _write)
        cache.remember("key", made)
        made.unlink()
        assert cache.made_for("key") is None


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(BootError, match="a thing cannot be made in") as caught,
        opened(tmp_path / "file" / "cache", "a thing"),
    ):
        pass
    assert "free space" in caught.value.hint
