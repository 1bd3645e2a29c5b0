"""Runs the head's own programs, and the bundle's where the head lacks one or its own is too old.

A bundled program is started by the bundle's loader, with the bundle's libraries.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from haoscar_pxe.command import Finished, Run
from haoscar_pxe.errors import CommandError, MissingToolError

PROGRAM_FOLDERS: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""A login over ssh often has no folder of sfdisk in its PATH."""


class HeadTools:
    """A `Run` on a head that has a bundle."""

    def __init__(self, bundle: Path, run: Run) -> None:
        """bundle: its folder here on the head; one that holds no programs is no harm."""
        self._bundle = bundle
        self._run = run

    def __call__(self, argv: Sequence[str], *, stdin: bytes = b"", hint: str = "") -> Finished:
        """Raises MissingToolError (neither has it) or CommandError (it failed)."""
        own = shutil.which(argv[0], path=PROGRAM_FOLDERS)
        bundled = self._bundled(argv)
        if own is None and not bundled:
            raise MissingToolError(
                f"the program '{argv[0]}' is neither on this head nor in the agent bundle",
                hint=hint,
            )
        if own is not None:
            try:
                return self._run([own, *argv[1:]], stdin=stdin, hint=hint)
            except CommandError:
                if not bundled:
                    raise
        return self._run(bundled, stdin=stdin, hint=hint)

    def _bundled(self, argv: Sequence[str]) -> list[str]:
        """The command line by the bundle's loader; empty if the bundle has no such program."""
        program = self._bundle / "bin" / argv[0]
        loader = next(iter(sorted(self._bundle.glob("lib/ld*.so*"))), None)
        if loader is None or "/" in argv[0] or not program.is_file():
            return []
        return [str(loader), "--library-path", f"{self._bundle}/lib", str(program), *argv[1:]]
