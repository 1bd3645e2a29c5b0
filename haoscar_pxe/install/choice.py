"""Which of the machine's disks is installed on, and whether it may be touched at all. Pure.

Nothing is ever guessed: two disks that would both do are refused by name, as is a disk that has
anything on it unless the order says that it may be erased.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from haoscar_pxe.install.claim import claim_of
from haoscar_pxe.install.machine import MachineDisk
from haoscar_pxe.nodes.order import InstallOrder

MIB: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Refusal:
    """One reason why there is no plan. hint: what the administrator types about it, "" if none."""

    reason: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The disk, why it is this one, and why it may be written to."""

    disk: MachineDisk
    why: str
    why_writable: str


def choose(
    disks: Sequence[MachineDisk], order: InstallOrder, needed_bytes: int
) -> Chosen | list[Refusal]:
    """The disk that the order means, or every reason why there is none.

    needed_bytes: the least size of a disk that the image's partitions fit on.
    """
    if order.disk == "auto":
        suited = [disk for disk in disks if not _unfit(disk, needed_bytes)]
        if len(suited) == 1:
            return _opened(suited[0], "the only fixed disk that is large enough", order)
        return _several(suited, order) if suited else _none(disks, order, needed_bytes)
    named = [disk for disk in disks if _is_named(disk, order.disk)]
    if len(named) != 1:
        return [_not_here(disks, order, len(named))]
    unfit = _unfit(named[0], needed_bytes, is_named=True)
    if unfit:
        return [Refusal(f"{named[0].describe()}: {unfit}")]
    return _opened(named[0], f"named by the order ({order.disk})", order)


def _unfit(disk: MachineDisk, needed_bytes: int, *, is_named: bool = False) -> str:
    """Why the disk cannot be installed on, "" if it can. A removable one must be named."""
    if disk.is_read_only:
        return "it is read-only"
    if disk.is_removable and not is_named:
        return "it is removable"
    if disk.size_bytes < needed_bytes:
        missing = (needed_bytes - disk.size_bytes + MIB - 1) // MIB
        return (
            f"too small: {disk.size_bytes // MIB} MiB, the image needs "
            f"{(needed_bytes + MIB - 1) // MIB} MiB ({missing} MiB more)"
        )
    return ""


def _is_named(disk: MachineDisk, wanted: str) -> bool:
    kind, _, value = wanted.partition(":")
    if kind == "serial":
        return disk.serial == value
    if kind == "wwn":
        return bool(disk.wwn) and _plain_wwn(disk.wwn) == _plain_wwn(value)
    return disk.path == wanted


def _plain_wwn(wwn: str) -> str:
    """A WWN without the ways to write it.

    >>> _plain_wwn("naa.5000C500A1B2C3D4") == _plain_wwn("0x5000c500a1b2c3d4")
    True
    """
    plain = wwn.lower()
    for prefix in ("naa.", "eui.", "0x"):
        plain = plain.removeprefix(prefix)
    return plain


def _opened(disk: MachineDisk, why: str, order: InstallOrder) -> Chosen | list[Refusal]:
    """The chosen disk, if the order and what is on it allow writing to it."""
    if not disk.contents:
        return Chosen(disk, why, "it is blank")
    if disk.claim == claim_of(order.token):
        return Chosen(disk, why, "it holds what this very order began and did not finish")
    found = "; ".join(disk.contents)
    if order.wipe == "any":
        return Chosen(disk, why, f"the order allows to erase what is on it: {found}")
    return [
        Refusal(
            f"{disk.describe()} is not blank, and the order allows a blank disk only: {found}",
            f"if all of that may be lost: haoscar-pxe node set {order.node} --wipe any --install",
        )
    ]


def _several(suited: Sequence[MachineDisk], order: InstallOrder) -> list[Refusal]:
    names = ", ".join(disk.describe() for disk in suited)
    reason = f"{len(suited)} disks would do, and none is named: {names}"
    return [Refusal(reason, _name_it(suited, order))]


def _name_it(disks: Sequence[MachineDisk], order: InstallOrder) -> str:
    """The command that names a disk, the first one as the example; "" where there is none."""
    if not disks:
        return ""
    name = shlex.quote(_best_name(disks[0]))
    return f"haoscar-pxe node set {order.node} --disk {name} --install"


def _best_name(disk: MachineDisk) -> str:
    """How to name the disk so that it is the same one after the next start."""
    if disk.serial:
        return f"serial:{disk.serial}"
    return f"wwn:{disk.wwn}" if disk.wwn else disk.path


def _none(disks: Sequence[MachineDisk], order: InstallOrder, needed_bytes: int) -> list[Refusal]:
    if not disks:
        return [Refusal("this machine has no disk that the image's kernel can see")]
    return [Refusal(f"{disk.describe()}: {_unfit(disk, needed_bytes)}") for disk in disks]


def _not_here(disks: Sequence[MachineDisk], order: InstallOrder, count: int) -> Refusal:
    seen = ", ".join(disk.describe() for disk in disks) or "none"
    what = f"{count} disks are" if count else "no disk is"
    reason = f"{what} '{order.disk}' on this machine; its disks: {seen}"
    return Refusal(reason, _name_it(disks, order))
