"""Edits of single files of the identity: text in, text out (hosts(5), fstab(5))."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address

from haoscar_pxe.image.layout import DiskLayout, FileSystem, Swap, file_systems

WRITTEN = "# written by haoscar-pxe"


def edit_hosts(
    text: str,
    old_host: str,
    names: tuple[str, ...],
    address: IPv4Address,
    old_address: IPv4Address | None = None,
) -> str:
    """hosts(5) in which this machine's names mean its own address.

    old_host: the image's host name; with or without a domain it is taken off loopback lines, where
    distributions put it, and stays where it names the primary's real address. If it was on
    loopback lines only, it means old_address from now on: what names the primary must reach it.
    names: full name first.

    >>> edited = edit_hosts("127.0.1.1 head\\n", "head", ("two",), IPv4Address("10.0.0.2"))
    >>> [line.split()[:2] for line in edited.splitlines()]
    [['127.0.0.1', 'localhost'], ['10.0.0.2', 'two']]
    """
    of_old = _of_host(text, old_host)
    lines = [
        kept
        for line in text.splitlines()
        if (kept := _without(line, of_old, {*names}, str(address))) is not None
    ]
    orphans = _orphans(lines, of_old - {*names})
    if old_address and orphans:
        lines.append("\t".join([str(old_address), *orphans, WRITTEN]))
    if not any(line.split()[:1] == ["127.0.0.1"] for line in lines):
        lines.insert(0, "127.0.0.1\tlocalhost")
    unique = dict.fromkeys(names)
    lines.append("\t".join([str(address), *unique, WRITTEN]))
    return "\n".join(lines) + "\n"


def _of_host(text: str, host: str) -> set[str]:
    """Every name in the text that is the host's: short, or with any domain."""
    short = host.partition(".")[0]
    spoken = (line.partition("#")[0].split()[1:] for line in text.splitlines())
    found = {name for names in spoken for name in names if name.partition(".")[0] == short}
    return {host, short, *found} - {"localhost", "localhost.localdomain", ""}


def _orphans(lines: Sequence[str], names: set[str]) -> list[str]:
    """The names that no line gives any more, longest first; none if one of them is still given."""
    given = {name for line in lines for name in line.partition("#")[0].split()[1:]}
    return [] if given & names else sorted(names, key=lambda name: (-len(name), name))


def _without(line: str, old: set[str], new: set[str], address: str) -> str | None:
    """The line, less names that it must not give; None when nothing is left of it."""
    spoken, hash_sign, comment = line.partition("#")
    at, *names = spoken.split() or [""]
    if not names:
        return line
    if at == address:
        return None
    unwanted = new | old if at.startswith("127.") or at == "::1" else new
    kept = [name for name in names if name not in unwanted]
    if kept == names:
        return line
    return "\t".join([at, *kept]) + (f"\t{hash_sign}{comment}" if comment else "") if kept else None


def edit_fstab(text: str, layout: DiskLayout) -> str:
    """fstab(5) that mounts the layout's file systems by UUID; lines of others stay.

    Lines for mount points of the layout, and for swap if it has some, are replaced.
    """
    mounted = {fs.mount_point for fs in file_systems(layout)}
    swaps = [
        partition.content
        for disk in layout.disks
        for partition in disk.partitions
        if isinstance(partition.content, Swap)
    ]
    kept = [line for line in text.splitlines() if not _is_replaced(line, mounted, bool(swaps))]
    written = [_mount_line(fs) for fs in file_systems(layout)]
    written += [f"UUID={swap.uuid}\tnone\tswap\tsw\t0\t0" for swap in swaps]
    return "\n".join([*kept, WRITTEN, *written]) + "\n"


def _is_replaced(line: str, mounted: set[str], has_swap: bool) -> bool:
    match line.split("#")[0].split():
        case [_, mount_point, kind, *_]:
            return mount_point in mounted or (has_swap and kind == "swap")
        case _:
            return line == WRITTEN


def _mount_line(fs: FileSystem) -> str:
    order = 1 if fs.mount_point == "/" else 2
    return f"UUID={fs.uuid}\t{fs.mount_point}\t{fs.kind}\t{fs.mount_options}\t0\t{order}"
