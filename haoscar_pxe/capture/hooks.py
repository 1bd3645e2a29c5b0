"""Hooks: what the site runs on the head around a capture, so that its services' files fit together.

`before` runs in its order, then the capture, then `after` in its order. After-hooks run whatever
happened before: a service that was stopped is started again, also when a before-hook or the
capture failed. An after-hook that fails fails the capture, because the head is not what it was.
They run earlier, by `Quiet.resume`, as soon as snapshots hold what the services had written.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeAlias

from haoscar_pxe.command import Run
from haoscar_pxe.errors import CaptureError, CommandError, HaoscarError, MissingToolError

Hook: TypeAlias = tuple[str, ...]
"""A program with its arguments; no shell reads it."""


@dataclass(frozen=True, slots=True)
class Hooks:
    """The hooks of one image."""

    before: tuple[Hook, ...] = ()
    after: tuple[Hook, ...] = ()


class HookError(CaptureError):
    """A hook failed; nothing was stored. The message holds the program's last words."""


class Quiet:
    """A head whose services are quiet, until the after-hooks have run."""

    def __init__(self, after: Sequence[Hook], run: Run) -> None:
        self._after = after
        self._run = run

    def resume(self) -> None:
        """Run the after-hooks now, and not again at the end. Raises HookError."""
        failed = self.run_after()
        if failed:
            raise HookError(_told(failed), hint=failed[0].hint)

    def run_after(self) -> list[HookError]:
        """Run every after-hook that has not run; those that failed."""
        after, self._after = self._after, ()
        return _run_all(after, self._run)


@contextmanager
def quiesced(hooks: Hooks, run: Run) -> Iterator[Quiet]:
    """Run the before-hooks, then the block, then the after-hooks whatever happened.

    Raises HookError, for the block's own failure too if after-hooks failed besides.
    """
    quiet = Quiet(hooks.after, run)
    try:
        for hook in hooks.before:
            _run(hook, "before", run)
        yield quiet
    except HaoscarError as error:
        failed = quiet.run_after()
        if failed:
            raise HookError(
                f"{error}\nbesides, {_told(failed)}", hint=error.hint or failed[0].hint
            ) from error
        raise
    except BaseException:
        quiet.run_after()
        raise
    quiet.resume()


def _run_all(after: Sequence[Hook], run: Run) -> list[HookError]:
    """Run every after-hook; those that failed."""
    failed = []
    for hook in after:
        try:
            _run(hook, "after", run)
        except HookError as error:
            failed.append(error)
    return failed


def _run(hook: Hook, when: str, run: Run) -> None:
    try:
        run(hook)
    except (CommandError, MissingToolError) as error:
        raise HookError(
            f"the {when}-hook '{shlex.join(hook)}' failed: {error}",
            hint="run it on the head by hand; a service may not be in the state it should be in",
        ) from error


def _told(failed: Sequence[HookError]) -> str:
    return "; ".join(map(str, failed))
