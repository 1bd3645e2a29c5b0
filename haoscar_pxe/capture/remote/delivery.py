"""Brings the agent bundle to a head that has sshd and a shell, once, and knows it again.

    PLACE/agent-<32 digits of the bundle's id>/   complete, root's, mode 0700
    PLACE/agent-<random>.partial/                 being sent; never run

PLACE is /var/cache/haoscar-pxe unless the site says otherwise: below folders of root's alone, where
no other user of the head can put something in our way. What lies there already is used only if it
is root's and every file has its SHA-256. Busybox, which is static and goes first, unpacks the
rest, so that nothing is asked of the head but sh, mkdir, mv, rm, cat, uname and id. Bundles that no
capture used for a week go when a new one comes.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import logging
import os
import secrets
import shlex
import tarfile
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

from haoscar_pxe.capture.remote.ssh import Ssh
from haoscar_pxe.command import Run, run
from haoscar_pxe.errors import CaptureError, CommandError

log = logging.getLogger(__name__)

PLACE: Final = "/var/cache/haoscar-pxe"
UNUSED_DAYS: Final = 7
ID_DIGITS: Final = 32
GZIP_LEVEL: Final = 6
LOOK: Final[Run] = partial(run, timeout_s=120.0)
"""Runs the first script. What it does takes no time, so a login that takes longer waits for
something; ssh's own limits see a machine that is gone, not a login file that never returns."""

WHO: Final = """\
if [ "$(id -u)" = 0 ]; then how=root
elif sudo -n true 2>/dev/null; then how=sudo
else how=none; fi
echo "haoscar-pxe $(uname -m) $how" """
"""Its last line is ours; a login may print others before."""

CHECK: Final = """\
cd / && umask 077
if [ ! -e {folder} ] && [ ! -L {folder} ]; then echo haoscar-pxe absent
elif [ -L {folder} ] || [ ! -O {folder} ]; then echo haoscar-pxe foreign
elif cd {folder} && bin/busybox sha256sum -c -s - && touch .; then echo haoscar-pxe ready
else echo haoscar-pxe damaged; fi"""

FIRST: Final = """\
umask 077 && mkdir -p {place} && mkdir {partial} && cat >{partial}/busybox &&
chmod 700 {partial}/busybox || {{ status=$?; rm -rf {partial}; exit $status; }}"""

REST: Final = """\
umask 077 && cd {partial} && mkdir new && ./busybox tar -x -z -f - -C new && ./busybox sync &&
{clear} && {{ [ -e {folder} ] || mv new {folder}; }} && cd / && rm -rf {partial} &&
{folder}/bin/busybox find {place} -maxdepth 1 -name 'agent-*' -mtime +{days} -exec rm -rf {{}} + ||
{{ status=$?; cd /; rm -rf {partial}; exit $status; }}"""


@dataclass(frozen=True, slots=True)
class AgentBundle:
    """The bundle on this machine; `boot.bundle` makes it. id: hexadecimal digits."""

    id: str
    folder: Path

    @property
    def loader(self) -> str:
        """Its dynamic loader, relative to its folder."""
        return (
            next(path for path in self.folder.glob("lib/ld*.so*"))
            .relative_to(self.folder)
            .as_posix()
        )


@dataclass(frozen=True, slots=True)
class Delivered:
    """The bundle on the head. ssh: with what makes scripts root's. folder, place: there."""

    ssh: Ssh
    folder: str
    place: str


def deliver(
    bundle: AgentBundle, ssh: Ssh, run: Run, place: str = PLACE, look: Run = LOOK
) -> Delivered:
    """Find the bundle on the head, or send it. look: for the first script, with a limit of time.

    Raises SshError (not reached, not let in), CaptureError (a login that never ends, another
    processor, not root, no room, somebody else's folder in the way).
    """
    ssh = replace(ssh, as_root=_way_to_root(ssh, look))
    folder = f"{place}/agent-{bundle.id[:ID_DIGITS]}"
    state = _state(bundle, ssh, run, folder)
    if state != "ready":
        log.info("sending the agent bundle to %s (it is %s there)", ssh.host, state)
        _send(bundle, ssh, run, folder, place, is_damaged=state == "damaged")
        state = _state(bundle, ssh, run, folder)
        if state != "ready":
            raise CaptureError(f"the agent bundle was sent to {ssh.host}, but it is {state} there")
    return Delivered(ssh, folder, place)


def _way_to_root(ssh: Ssh, look: Run) -> tuple[str, ...]:
    try:
        printed = ssh.run(WHO, look)
    except CommandError as error:
        if error.status is None:
            raise _never_ends(error, ssh.host) from error
        raise
    machine, how = _answer(printed, 2, ssh)
    here = os.uname().machine
    if machine != here:
        raise CaptureError(
            f"{ssh.host} has a {machine} processor, and this image server's agent is for {here}",
            hint=f"capture it from an image server that is {machine}",
        )
    if how == "none":
        raise CaptureError(
            f"on {ssh.host} this login is not root's, and sudo asks it for a password",
            hint="give --host root@HOST, or let sudo run without a password for that user",
        )
    return ("sudo", "-n") if how == "sudo" else ()


def _never_ends(error: CommandError, host: str) -> CaptureError:
    said = f"; it said\n{error.last_words}" if error.last_words else ", and said nothing"
    return CaptureError(
        f"the login on {host} ran no script within its time{said}",
        hint=f"'ssh {host} true' must end by itself: does a login file (.bashrc, .profile) ask or "
        "start something, or is the login shell no shell?",
    )


def _state(bundle: AgentBundle, ssh: Ssh, run: Run, folder: str) -> str:
    """ "ready", "absent" or "damaged"; raises CaptureError for what is not root's."""
    script = CHECK.format(folder=shlex.quote(folder))
    [state] = _answer(ssh.run(script, run, stdin=checksums(bundle)), 1, ssh)
    if state == "foreign":
        raise CaptureError(
            f"{folder} on {ssh.host} is not root's, so nothing in it is run",
            hint="look who made it, and remove it; or give another place with --remote-folder",
        )
    return state


def _send(
    bundle: AgentBundle, ssh: Ssh, run: Run, folder: str, place: str, *, is_damaged: bool
) -> None:
    # One that another capture brought meanwhile stays: its agent runs from it.
    words = {
        "clear": f"rm -rf {shlex.quote(folder)}" if is_damaged else "true",
        "place": shlex.quote(place),
        "partial": shlex.quote(f"{place}/agent-{secrets.token_hex(8)}.partial"),
        "folder": shlex.quote(folder),
        "days": str(UNUSED_DAYS),
    }
    busybox = (bundle.folder / "bin/busybox").read_bytes()
    try:
        ssh.run(FIRST.format(**words), run, stdin=busybox)
        ssh.run(REST.format(**words), run, stdin=packed(bundle))
    except CommandError as error:
        raise _not_sent(error, ssh.host, place) from error


def _not_sent(error: CommandError, host: str, place: str) -> CaptureError:
    words = error.last_words
    what = "the agent bundle could not be sent"
    if "No space left" in words:
        what = f"there is no room for the agent bundle (60 MB) in {place}"
    elif error.status == 126 or "Permission denied" in words:
        what = f"{place} does not let programs run (mounted noexec?)"
    return CaptureError(
        f"{host}: {what}\n{words}", hint="give another place with --remote-folder FOLDER"
    )


def _answer(printed: str, count: int, ssh: Ssh) -> list[str]:
    lines = [line.split() for line in printed.splitlines()]
    for line in reversed(lines):
        if line[:1] == ["haoscar-pxe"] and len(line) == count + 1:
            return line[1:]
    raise CaptureError(
        f"{ssh.host} ran no script: it printed {printed[-200:]!r}",
        hint=f"'ssh {ssh.host} uname' must print one word; is its login restricted?",
    )


def checksums(bundle: AgentBundle) -> bytes:
    """What `sha256sum -c` reads: every file of the bundle."""
    lines = (
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(bundle.folder)}\n"
        for path in _files(bundle)
    )
    return "".join(lines).encode()


def packed(bundle: AgentBundle) -> bytes:
    """The bundle as a compressed tar archive, all of it root's."""
    archive = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=archive, mode="wb", compresslevel=GZIP_LEVEL, mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.USTAR_FORMAT) as tar,
    ):
        for path in _files(bundle):
            info = tarfile.TarInfo(str(path.relative_to(bundle.folder)))
            info.size = path.stat().st_size
            info.mode = 0o755 if path.stat().st_mode & 0o100 else 0o644
            with path.open("rb") as file:
                tar.addfile(info, file)
    return archive.getvalue()


def _files(bundle: AgentBundle) -> list[Path]:
    return sorted(path for path in bundle.folder.rglob("*") if path.is_file())
