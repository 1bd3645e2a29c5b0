"""Hooks run around a capture, and what they stopped is started again whatever happens."""

from __future__ import annotations

from pathlib import Path

import pytest

from haoscar_pxe.capture.hooks import HookError, Hooks, quiesced
from haoscar_pxe.command import run
from haoscar_pxe.errors import CaptureError


def note(folder: Path, word: str) -> tuple[str, ...]:
    """A hook that makes a folder named by when it ran: mkdir fails if it runs twice."""
    return ("mkdir", str(folder / word))


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_before_hooks_run_before_the_block_and_after_hooks_after_it(tmp_path: Path) -> None:
    hooks = Hooks((note(tmp_path, "before"),), (note(tmp_path, "after"),))
    with quiesced(hooks, run):
        assert names(tmp_path) == {"before"}
    assert names(tmp_path) == {"before", "after"}


def test_after_hooks_run_when_the_block_fails(tmp_path: Path) -> None:
    hooks = Hooks((), (note(tmp_path, "after"),))
    with pytest.raises(CaptureError, match="disk on fire"), quiesced(hooks, run):
        raise CaptureError("disk on fire")
    assert names(tmp_path) == {"after"}


def test_after_hooks_run_when_somebody_interrupts(tmp_path: Path) -> None:
    with (
        pytest.raises(KeyboardInterrupt),
        quiesced(Hooks((), (note(tmp_path, "after"),)), run),
    ):
        raise KeyboardInterrupt
    assert names(tmp_path) == {"after"}


def test_failing_before_hook_stops_the_capture_and_all_after_hooks_run(tmp_path: Path) -> None:
    hooks = Hooks(
        (note(tmp_path, "stopped"), ("ls", "/no/such/dump"), note(tmp_path, "never")),
        (("ls", "/no/such/thing"), note(tmp_path, "started")),
    )
    with pytest.raises(HookError) as caught, quiesced(hooks, run):
        pytest.fail("the capture went on without its hook")
    assert names(tmp_path) == {"stopped", "started"}
    assert "the before-hook 'ls /no/such/dump' failed: exit status 2" in str(caught.value)
    assert "besides, the after-hook 'ls /no/such/thing' failed" in str(caught.value)


def test_after_hook_that_fails_fails_a_capture_that_succeeded() -> None:
    hooks = Hooks((), (("no-such-program-of-mine",),))
    with pytest.raises(HookError, match="not on this machine") as caught, quiesced(hooks, run):
        pass
    assert "on the head" in caught.value.hint


def test_no_hooks_run_nothing() -> None:
    with quiesced(Hooks(), run):
        pass


def test_after_hooks_that_ran_early_do_not_run_again(tmp_path: Path) -> None:
    with quiesced(Hooks((), (note(tmp_path, "after"),)), run) as quiet:
        quiet.resume()
        assert names(tmp_path) == {"after"}
        (tmp_path / "after").rmdir()
    assert names(tmp_path) == set()


def test_an_after_hook_that_fails_early_stops_the_block() -> None:
    with (
        pytest.raises(HookError, match="after-hook 'false'") as caught,
        quiesced(Hooks((), (("false",),)), run) as quiet,
    ):
        quiet.resume()
    assert "besides" not in str(caught.value)
