"""This machine's own system as a throwaway: an overlay on a tmpfs, in namespaces of its own.

What is installed and started in it touches nothing outside, and is gone with it. Needs root, apt's
package lists, and a few hundred MB of memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from haoscar_pxe.command import run

WITHIN_S: Final = 300.0
APART: Final = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private")

OUTSIDE: Final = """\
set -eu
mount -t tmpfs -o size=3g throwaway "$1/place"
cd "$1/place"
mkdir upper work root
mount -t overlay -o "lowerdir=/,upperdir=upper,workdir=work" overlay root
mount -t proc proc root/proc
mount --rbind /dev root/dev
mount -t tmpfs run root/run
cp "$1/inside" "$1/services" root/run
printf '#!/bin/sh\\nexit 101\\n' >root/usr/sbin/policy-rc.d
chmod 755 root/usr/sbin/policy-rc.d
export DEBIAN_FRONTEND=noninteractive PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
exec chroot root sh -eu /run/inside
"""
INSIDE: Final = """\
apt-get install -q -y --no-install-recommends {packages} >/run/apt.log 2>&1 ||
    {{ tail -30 /run/apt.log >&2; exit 1; }}
exec unshare --net sh -eu -c 'ip link set lo up; . /run/services'
"""
"""Packages are fetched over the machine's network; the services then run without any."""


def in_throwaway(folder: Path, packages: Sequence[str], script: str) -> str:
    """What the script prints that runs with these packages installed.

    Raises CommandError with its last words.
    """
    (folder / "place").mkdir()
    (folder / "services").write_text(script)
    (folder / "inside").write_text(INSIDE.format(packages=" ".join(packages)))
    (folder / "outside").write_text(OUTSIDE)
    return run([*APART, "sh", str(folder / "outside"), str(folder)], timeout_s=WITHIN_S).text
