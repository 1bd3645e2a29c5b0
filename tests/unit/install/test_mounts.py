"""Mounts are undone whatever happens; mount and umount themselves are only written down here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from haoscar_pxe.command import Finished
from haoscar_pxe.errors import CommandError
from haoscar_pxe.install.mounts import mounting


class Ledger:
    """A `Run` that writes down what it was asked; what `broken` names fails."""

    def __init__(self, *broken: str) -> None:
        self.broken = broken
        self.lines: list[str] = []

    def __call__(self, argv: Sequence[str], *, stdin: bytes = b"", hint: str = "") -> Finished:
        line = " ".join(argv)
        self.lines.append(line)
        if line in self.broken:
            raise CommandError(f"cannot {line}")
        return Finished(b"", b"")


def mount_two(ledger: Ledger) -> None:
    with mounting(ledger) as mount:
        mount(["-t", "ext4", "/dev/sda1"], Path("/t"))
        mount(["-t", "ext4", "/dev/sda2"], Path("/t/var"))


def test_what_was_mounted_is_unmounted_in_reverse() -> None:
    ledger = Ledger()
    mount_two(ledger)
    assert ledger.lines[2:] == ["umount /t/var", "umount /t"]


def test_what_was_not_mounted_is_not_unmounted() -> None:
    ledger = Ledger("mount -t ext4 /dev/sda2 /t/var")
    with pytest.raises(CommandError, match="sda2"):
        mount_two(ledger)
    assert ledger.lines[2:] == ["umount /t"]


def test_an_unmount_that_fails_is_told_and_keeps_no_other_mount() -> None:
    ledger = Ledger("umount /t/var")
    with pytest.raises(CommandError, match="umount /t/var"):
        mount_two(ledger)
    assert ledger.lines[-1] == "umount /t"


def test_an_unmount_that_fails_does_not_hide_what_went_wrong_before() -> None:
    ledger = Ledger("umount /t")
    with pytest.raises(ValueError, match="the reason"):
        _fail_while_mounted(ledger)


def _fail_while_mounted(ledger: Ledger) -> None:
    with mounting(ledger) as mount:
        mount(["/dev/sda1"], Path("/t"))
        raise ValueError("the reason")
