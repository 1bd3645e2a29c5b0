"""The demo's head: a small Debian 12 with sshd, a web page, a database, a user and awkward files.

It can boot by BIOS and by UEFI, as its capture says.

It is made with debootstrap in the work folder and reused until this recipe changes:

    debs/             packages, so that a second head needs no download
    head-<recipe>/    the tree, there only when complete
    head-<recipe>.<pid>/    half made

A new recipe removes the head of the old one.

The tree has no boot loader configuration and no fstab of its own: those follow from the disk
layout that its capture gives it.
"""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from blake3 import blake3

from haoscar_pxe import command
from haoscar_pxe.command import Run
from haoscar_pxe.errors import RehearsalError
from haoscar_pxe.rehearse import awkward
from haoscar_pxe.rehearse.mounted import unmount_below
from haoscar_pxe.rehearse.steps import Narrator

SUITE: Final = "bookworm"
DEFAULT_MIRROR: Final = "http://deb.debian.org/debian"
PACKAGES: Final = (
    *("linux-image-cloud-amd64", "systemd-sysv", "udev", "dbus", "ifupdown", "iproute2"),
    *("openssh-server", "nginx-light", "sqlite3", "python3-minimal", "iputils-ping", "nftables"),
    *("libcap2-bin", "acl", "attr", "grub-pc-bin", "grub2-common"),
    *("shim-signed", "grub-efi-amd64-signed"),
)
DEBOOTSTRAP_WITHIN_S: Final = 1800.0

NAME: Final = "primary"
USER: Final = "hpc"
ADDRESS: Final = "10.77.0.10/24"
PAGE: Final = "<h1>The cluster is up</h1><p>This page lives on the primary.</p>\n"
INTERFACE: Final = "ens3"


@dataclass(frozen=True, slots=True)
class Head:
    """The tree, and whether it was there already."""

    tree: Path
    was_reused: bool


FILES: Final = {
    "etc/hostname": f"{NAME}\n",
    "etc/hosts": f"127.0.0.1\tlocalhost\n{ADDRESS.partition('/')[0]}\t{NAME}\n",
    "etc/resolv.conf": "nameserver 10.77.0.1\n",
    "etc/network/interfaces": (
        "auto lo\niface lo inet loopback\n\n"
        f"auto {INTERFACE}\niface {INTERFACE} inet static\n    address {ADDRESS}\n"
    ),
    "var/www/html/index.html": PAGE,
}
GETTY: Final = "etc/systemd/system/getty.target.wants/serial-getty@ttyS0.service"


def make_head(work: Path, narrator: Narrator, run: Run = command.run) -> Head:
    """The head's tree, made if it is not there. Needs root and, the first time, a Debian mirror.

    Raises RehearsalError (not root), MissingToolError, CommandError with debootstrap's words.
    """
    tree = work / f"head-{_recipe()}"
    if tree.exists():
        return Head(tree, was_reused=True)
    if os.geteuid() != 0:
        raise RehearsalError("making a head needs root", hint="run the same command with sudo")
    half_made = tree.with_name(f"{tree.name}.{os.getpid()}")
    _discard_others(work, run)
    try:
        _bootstrap(half_made, work / "debs", narrator)
        _configure(half_made, run)
        awkward.make_awkward_files(half_made, run)
        half_made.rename(tree)
    finally:
        discard(half_made, run)
    return Head(tree, was_reused=False)


def _bootstrap(tree: Path, debs: Path, narrator: Narrator) -> None:
    debs.mkdir(parents=True, exist_ok=True)
    mirror = find_mirror(_apt_sources())
    narrator.detail(f"debootstrap {SUITE} from {mirror}, about a minute")
    # In a chroot without a running systemd no package starts its service.
    command.run(
        [
            *("debootstrap", "--variant=minbase", f"--cache-dir={debs.absolute()}"),
            *(f"--include={','.join(PACKAGES)}", SUITE, str(tree), mirror),
        ],
        timeout_s=DEBOOTSTRAP_WITHIN_S,
        hint=f"can this machine reach {mirror}?",
    )


def _configure(tree: Path, run: Run) -> None:
    for path, content in FILES.items():
        (tree / path).unlink(missing_ok=True)
        (tree / path).write_text(content)
    (tree / "var/www/html/index.nginx-debian.html").unlink(missing_ok=True)
    (tree / GETTY).parent.mkdir(parents=True, exist_ok=True)
    (tree / GETTY).symlink_to("/lib/systemd/system/serial-getty@.service")
    run(["chroot", str(tree), "useradd", "--create-home", "--shell", "/bin/bash", USER])
    _make_database(tree / "var/lib/hpc/accounts.sqlite")


def _make_database(path: Path) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE accounts (name TEXT PRIMARY KEY, core_hours INTEGER)")
        rows = [(f"project-{number:03}", number * 1000) for number in range(100)]
        database.executemany("INSERT INTO accounts VALUES (?, ?)", rows)


def find_mirror(sources: Iterable[str]) -> str:
    """The Debian mirror that apt uses on this machine, or Debian's own.

    >>> find_mirror(["deb http://security.debian.org/debian-security bookworm-security main",
    ...              "deb [arch=amd64] https://mirror.example/debian/ bookworm main"])
    'https://mirror.example/debian'
    >>> find_mirror(["Types: deb\\nURIs: https://apt.example/other\\n"])
    'http://deb.debian.org/debian'
    """
    for text in sources:
        found = re.search(r"^(?:deb |URIs:)[^#\n]*?(https?://\S+/debian)/?(?=\s|$)", text, re.M)
        if found:
            return found[1]
    return DEFAULT_MIRROR


def _apt_sources() -> list[str]:
    folder = Path("/etc/apt")
    files = [folder / "sources.list", *sorted((folder / "sources.list.d").glob("*"))]
    return [file.read_text(errors="replace") for file in files if file.is_file()]


def discard(tree: Path, run: Run = command.run) -> None:
    """Remove a tree, and first what is mounted in it: debootstrap mounts /proc and /sys there."""
    if not tree.exists():
        return
    unmount_below(tree, run)
    shutil.rmtree(tree)


def _discard_others(work: Path, run: Run) -> None:
    """Remove heads of earlier recipes and those half made by a process that is gone."""
    for path in work.glob("head-*"):
        if not path.suffix or not Path("/proc", path.suffix[1:]).exists():
            discard(path, run)


def _recipe() -> str:
    """Changes when what makes the tree changes: these two modules."""
    sources = (Path(__file__), Path(awkward.__file__))
    return blake3(b"".join(path.read_bytes() for path in sources)).hexdigest()[:12]
