"""The one way to run another program: argv logged ready to paste, stderr kept, never a shell.

It does not interpret what the program printed.
"""

from __future__ import annotations

import logging
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from haoscar_pxe.errors import CommandError, MissingToolError

log = logging.getLogger(__name__)

LAST_WORDS_LINES = 5


@dataclass(frozen=True, slots=True)
class Finished:
    """A program that ended with exit status 0."""

    stdout: bytes
    stderr: bytes

    @property
    def text(self) -> str:
        """stdout as UTF-8; undecodable bytes survive as surrogates."""
        return self.stdout.decode("utf-8", "surrogateescape")


class Run(Protocol):
    """Runs a program to its end. Passed in, so that a test can stand in for disks and mounts."""

    def __call__(self, argv: Sequence[str], *, stdin: bytes = b"", hint: str = "") -> Finished:
        """Raises MissingToolError (not on PATH) or CommandError (exit status not 0)."""
        ...


def run(
    argv: Sequence[str],
    *,
    stdin: bytes = b"",
    hint: str = "",
    timeout_s: float | None = None,
    env: Mapping[str, str] | None = None,
) -> Finished:
    """Run argv to its end and return its output.

    hint: what the user should type if it fails.
    Raises MissingToolError when argv[0] is not to be found, CommandError otherwise.
    """
    printable = shlex.join(argv)
    log.debug("run: %s", printable)
    try:
        done = subprocess.run(
            argv, input=stdin, capture_output=True, check=False, timeout=timeout_s, env=env
        )
    except FileNotFoundError as error:
        raise MissingToolError(
            f"the program '{argv[0]}' is not on this machine",
            hint=hint or "'haoscar-pxe doctor' names the package",
        ) from error
    except subprocess.TimeoutExpired as error:
        words = last_words((error.stdout or b"") + (error.stderr or b""))
        raise CommandError(
            f"no end after {timeout_s:g} s: {printable}\n{words}".rstrip(),
            hint=hint,
            last_words=words,
        ) from error
    if done.returncode != 0:
        words = last_words(done.stderr)
        raise CommandError(
            f"exit status {done.returncode}: {printable}\n{words}",
            hint=hint,
            status=done.returncode,
            last_words=words,
        )
    return Finished(done.stdout, done.stderr)


def start(argv: Sequence[str], output: Path) -> subprocess.Popen[bytes]:
    """Start argv and leave it running; what it prints is appended to `output`.

    It is in a session of its own, so that the terminal's Ctrl-C reaches us alone; the caller
    owns it and must end it. Raises MissingToolError.
    """
    log.debug("start: %s", shlex.join(argv))
    with output.open("ab") as file:
        try:
            return subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True
            )
        except FileNotFoundError as error:
            raise MissingToolError(
                f"the program '{argv[0]}' is not on this machine",
                hint="'haoscar-pxe doctor' names the package",
            ) from error


def converse(argv: Sequence[str], errors: BinaryIO) -> subprocess.Popen[bytes]:
    """Start argv with pipes to its standard input and output; its errors go into a file.

    The caller owns it and must end it: `with`, or kill and wait. Raises MissingToolError.
    """
    log.debug("converse: %s", shlex.join(argv))
    try:
        return subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors)
    except FileNotFoundError as error:
        raise MissingToolError(
            f"the program '{argv[0]}' is not on this machine",
            hint="'haoscar-pxe doctor' names the package",
        ) from error


def last_words(stderr: bytes) -> str:
    """The last lines of what a program wrote to standard error, indented."""
    lines = stderr.decode("utf-8", "replace").strip().splitlines()
    return "\n".join(f"    {line}" for line in lines[-LAST_WORDS_LINES:])
