"""A stand-in for ssh: what is to run on the head runs on this machine, by its real shell."""

from __future__ import annotations

from pathlib import Path

from haoscar_pxe.capture.remote.ssh import Ssh

PROGRAM = """\
#!/bin/sh
# ssh OPTIONS -- HOST COMMAND: sshd hands the command to the login shell, after its profile spoke.
for command; do :; done
echo "Welcome to the head! Today's menu: soup."
{before}
exec sh -c "$command"
"""


def local_ssh(folder: Path, before: str = "") -> Ssh:
    """An Ssh whose program is a script in folder. before: shell lines that run first."""
    program = folder / "ssh"
    program.write_text(PROGRAM.format(before=before))
    program.chmod(0o755)
    return Ssh("root@primary", program=str(program))
