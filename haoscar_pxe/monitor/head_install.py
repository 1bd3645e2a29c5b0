"""Puts the monitor on a head, over ssh: the agent bundle, its files, and the unit that runs it.

Nothing is asked of the head but sshd, systemd, nftables and iproute2. It can be done again at any
time: the unit is restarted with what is new, which gives the lease to the other head for a moment
if this one is active.
"""

from __future__ import annotations

import io
import shlex
import tarfile
from collections.abc import Sequence
from typing import Final

from haoscar_pxe.capture.remote.delivery import AgentBundle, deliver
from haoscar_pxe.capture.remote.ssh import Ssh
from haoscar_pxe.command import Run
from haoscar_pxe.errors import CommandError, FailoverError
from haoscar_pxe.monitor.head_files import (
    COMMAND_MARK,
    CONFIG,
    FOLDER,
    PROGRAM,
    UNIT,
    WRITTEN_BY_US,
    HeadFile,
)

PROGRAMS: Final = {"nft": "nftables", "ip": "iproute2", "systemctl": "systemd"}

LOOK: Final = """\
PATH=$PATH:/usr/sbin:/sbin
for program in {programs}; do command -v $program >/dev/null || echo missing $program; done
if [ -e {config} ] && ! grep -q {ours} {config}; then echo foreign; fi"""

START: Final = """\
set -e
{agent}/bin/busybox tar -x -f - -C /
ln -sfn {agent} {folder}/bundle.new && mv -T {folder}/bundle.new {folder}/bundle
if [ ! -e {link} ] || grep -q {ours} {link}; then cp -p {folder}/haoscar-pxe {link}; fi
systemctl daemon-reload
systemctl enable --quiet {unit}
systemctl restart {unit}"""


def install_on_head(bundle: AgentBundle, ssh: Ssh, files: Sequence[HeadFile], run: Run) -> None:
    """Put the bundle and the files there, and start the monitor.

    Raises FailoverError (something is missing there, or its configuration is not ours), and what
    `deliver` raises: SshError, CaptureError.
    """
    programs = " ".join(PROGRAMS)
    words = {"programs": programs, "config": CONFIG, "ours": shlex.quote(WRITTEN_BY_US)}
    _refuse(ssh, ssh.run(LOOK.format(**words), run).splitlines())
    delivered = deliver(bundle, ssh, run, FOLDER)
    ours = shlex.quote(COMMAND_MARK)
    script = START.format(agent=delivered.folder, folder=FOLDER, link=PROGRAM, ours=ours, unit=UNIT)
    try:
        delivered.ssh.run(script, run, stdin=archive(files))
    except CommandError as error:
        raise FailoverError(
            f"the monitor could not be started on {ssh.host}:\n{error.last_words}",
            hint=f"'journalctl -u {UNIT}' there says more",
        ) from error


def _refuse(ssh: Ssh, found: Sequence[str]) -> None:
    missing = [line.split()[1] for line in found if line.startswith("missing ")]
    if missing:
        packages = " ".join(PROGRAMS[name] for name in missing)
        raise FailoverError(
            f"{ssh.host} has no {', '.join(missing)}",
            hint=f"there: apt-get install {packages}",
        )
    if "foreign" in found:
        raise FailoverError(
            f"{ssh.host} has a {CONFIG} of its own",
            hint="write the section [failover] into it, and run 'haoscar-pxe monitor' there",
        )


def archive(files: Sequence[HeadFile]) -> bytes:
    """The files as a tar archive, all root's, relative to the root folder."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for each in files:
            info = tarfile.TarInfo(each.path.lstrip("/"))
            info.size, info.mode = len(each.content), each.mode
            tar.addfile(info, io.BytesIO(each.content))
    return made.getvalue()
