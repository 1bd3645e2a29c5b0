"""The tree of everything that can go wrong, with an exit status for each class.

A message says what failed, on which thing, with the numbers; `hint` says what to type next.
Only `cli/main.py` and a server's per-request boundary catch these. Exit statuses below 10 belong
to Python and click (1 unexpected, 2 usage); they are listed in `docs/exit-status.md`.
"""

from __future__ import annotations

from typing import ClassVar


class HaoscarError(Exception):
    """Anything the user can read and act on."""

    exit_status: ClassVar[int] = 10

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class ConfigError(HaoscarError):
    """The configuration is missing, unreadable or wrong; the message lists every problem."""

    exit_status = 11


class MissingToolError(HaoscarError):
    """A program or file of another package is needed and is not on this machine."""

    exit_status = 12


class CommandError(HaoscarError):
    """A program that was started ended badly; the message holds its argv and its last words.

    status: the exit status it ended with (negative: killed by that signal), None if it never did.
    last_words: the end of what it wrote to standard error; of all it wrote if it never ended.
    """

    exit_status = 13

    def __init__(
        self, message: str, *, hint: str = "", status: int | None = None, last_words: str = ""
    ) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.last_words = last_words


class BusyError(HaoscarError):
    """Somebody else holds the lock that this operation needs."""

    exit_status = 14


class RepositoryError(HaoscarError):
    """The repository cannot be used as asked: not there, not ours, unknown image or generation."""

    exit_status = 20


class IntegrityError(RepositoryError):
    """Stored or received bytes are not what their hash or signature says; never served on."""

    exit_status = 21


class StorageError(RepositoryError):
    """The store could not read or write: full, gone, or failing. What was committed stays."""

    exit_status = 22


class SealedError(RepositoryError):
    """A file is sealed, and the key that opens it is not here."""

    exit_status = 23


class CaptureError(HaoscarError):
    """The tree or its disks cannot be captured."""

    exit_status = 30


class RestoreError(HaoscarError):
    """Entries cannot be laid down in the target folder."""

    exit_status = 31


class ComparisonError(HaoscarError):
    """A tree differs from the generation that it should equal."""

    exit_status = 32


class WireError(HaoscarError):
    """A datagram or request from the network is not what its standard allows."""

    exit_status = 40


class ServeError(HaoscarError):
    """The boot server cannot start or go on: an address, port or interface is not to be had."""

    exit_status = 41


class NodeError(HaoscarError):
    """The registry refuses: an address or MAC given twice, a wrong value."""

    exit_status = 50


class UnknownNodeError(NodeError):
    """There is no node of that name."""

    exit_status = 52


class BootError(HaoscarError):
    """What a node would need to boot cannot be made: no kernel, no modules, no template."""

    exit_status = 51


class InstallError(HaoscarError):
    """The installation on a node cannot go on."""

    exit_status = 60


class PlanRefusedError(InstallError):
    """The install plan was refused before anything was written; the message says why, by name."""

    exit_status = 61


class RehearsalError(HaoscarError):
    """The rehearsal ran, and the standby is not what it must be."""

    exit_status = 70


class DoctorError(HaoscarError):
    """`doctor` found something that would stop a capture, a boot or an install."""

    exit_status = 71


class StaleError(HaoscarError):
    """`status` found a standby that is not ready, or further behind than it may be."""

    exit_status = 72


class FailoverError(HaoscarError):
    """The failover monitor cannot start, go on, or do what it was asked."""

    exit_status = 80
