"""Who holds a port that we were not given: /proc/net/{udp,tcp} and the sockets in /proc/*/fd.

Source: proc(5). Only processes whose descriptors we may see are found.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal, TypeAlias

Protocol: TypeAlias = Literal["udp", "tcp"]
LOCAL_ADDRESS: Final = 1  # columns of /proc/net/udp, counted from 0
STATE: Final = 3
INODE: Final = 9
LISTENING: Final = "0A"  # TCP_LISTEN in include/net/tcp_states.h


def port_holders(protocol: Protocol, port: int, proc: Path = Path("/proc")) -> list[str]:
    """Programs with a socket on the port, as "dnsmasq (pid 812)"; empty if none can be seen."""
    wanted = {f"socket:[{inode}]" for inode in _inodes(protocol, port, proc)}
    return [
        f"{_name(process)} (pid {process.name})"
        for process in sorted(proc.glob("[0-9]*"), key=lambda path: int(path.name))
        if wanted and wanted & _open_files(process)
    ]


def _inodes(protocol: Protocol, port: int, proc: Path) -> set[str]:
    rows = _read(proc / "self/net" / protocol).splitlines()[1:]
    columns = [row.split() for row in rows]
    return {
        row[INODE]
        for row in columns
        if int(row[LOCAL_ADDRESS].rsplit(":", 1)[1], 16) == port
        and (protocol == "udp" or row[STATE] == LISTENING)
    }


def _open_files(process: Path) -> set[str]:
    found = set()
    # Another user's process, one that has just ended, or a descriptor closed in between.
    with suppress(OSError):
        for descriptor in os.listdir(process / "fd"):
            with suppress(FileNotFoundError):
                found.add(os.readlink(process / "fd" / descriptor))
    return found


def _name(process: Path) -> str:
    return _read(process / "comm").strip() or "a program"


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""
