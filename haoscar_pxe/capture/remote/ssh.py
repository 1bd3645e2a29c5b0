"""Scripts on another machine, by the system's own ssh and as root there.

Sources: ssh(1), ssh_config(5), sudo(8). ssh is asked to never ask: a capture runs unattended. What
goes wrong is told by what ssh prints, which no version has changed in twenty years.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Final

from haoscar_pxe.command import Run
from haoscar_pxe.errors import CaptureError, CommandError

OPTIONS: Final = (
    "BatchMode=yes",
    "ConnectTimeout=15",
    "ServerAliveInterval=15",
    "ServerAliveCountMax=4",
    "Compression=no",
    "ForwardX11=no",
    "ForwardAgent=no",
)
SSH_FAILED: Final = 255
"""ssh's own exit status when it failed; any other is the script's, ssh(1)."""


class SshError(CaptureError):
    """The head cannot be reached, or lets us not in."""


class HostKeyError(SshError):
    """Who answers cannot show the host key that is known of the head."""


@dataclass(frozen=True, slots=True)
class Ssh:
    """How to reach the head.

    host: as for ssh, [USER@]HOST or a name of ssh_config. options: of ssh_config, "Name=value";
    they win over ours. program: "ssh", or a path. as_root: how a script becomes root's.
    """

    host: str
    options: tuple[str, ...] = ()
    program: str = "ssh"
    as_root: tuple[str, ...] = ()

    def argv(self, script: str) -> list[str]:
        """The command line that runs the script there; whatever the login shell is, sh reads it."""
        if self.host.startswith("-") or not self.host:
            raise SshError(f"{self.host!r} is no host", hint="write --host root@primary")
        given = (word for option in (*self.options, *OPTIONS) for word in ("-o", option))
        there = shlex.join([*self.as_root, "sh", "-c", script])
        return [self.program, "-T", "-e", "none", *given, "--", self.host, there]

    def run(self, script: str, run: Run, *, stdin: bytes = b"") -> str:
        """What the script prints there.

        Raises SshError (ssh itself failed), CommandError (the script did), MissingToolError.
        """
        try:
            return run(self.argv(script), stdin=stdin).text
        except CommandError as error:
            if error.status == SSH_FAILED:
                raise self.failed(error.last_words) from error
            raise

    def failed(self, words: str) -> SshError:
        """What ssh's last words mean, and what to do."""
        for sign, sentence, hint in _SIGNS:
            if sign in words:
                kind = HostKeyError if sign in _OF_HOST_KEYS else SshError
                return kind(
                    sentence.format(host=self.host) + f"\n{words}", hint=hint.format(host=self.host)
                )
        return SshError(
            f"the connection to {self.host} failed\n{words}", hint=f"try 'ssh {self.host} true'"
        )


_OF_HOST_KEYS: Final = ("IDENTIFICATION HAS CHANGED", "Host key verification failed")
_SIGNS: Final = (
    (
        _OF_HOST_KEYS[0],
        "the host key of {host} is not the one that is known here",
        "if the head was installed anew, 'ssh-keygen -R' its name; else somebody stands between",
    ),
    (
        _OF_HOST_KEYS[1],
        "the host key of {host} is not known here",
        "as this user, 'ssh {host} true' once, and compare the fingerprint it shows",
    ),
    (
        "Permission denied",
        "{host} accepts no key of this user",
        "'ssh-copy-id {host}', or name the key with --ssh-option IdentityFile=PATH",
    ),
    ("Could not resolve", "no address is known for {host}", "check the name, or give an address"),
    (
        "Connection refused",
        "no sshd answers at {host}",
        "start sshd there, or give --ssh-option Port=NUMBER",
    ),
    ("timed out", "{host} does not answer", "is it on, and is this network its own?"),
    ("No route to host", "{host} does not answer", "is it on, and is this network its own?"),
)
