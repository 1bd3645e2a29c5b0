"""What ssh is told, and what its failures mean."""

from __future__ import annotations

from pathlib import Path

import pytest

from haoscar_pxe.capture.remote.ssh import HostKeyError, Ssh, SshError
from haoscar_pxe.command import run
from haoscar_pxe.errors import CommandError
from tests.unit.capture.local_ssh import local_ssh


def test_a_script_is_one_word_for_whatever_shell_the_login_has() -> None:
    ssh = Ssh("primary", ("Port=2222",), as_root=("sudo", "-n"))
    argv = ssh.argv("echo 'a  b' $HOME")
    assert argv[-3:] == ["--", "primary", "sudo -n sh -c 'echo '\"'\"'a  b'\"'\"' $HOME'"]
    assert argv.index("Port=2222") < argv.index("BatchMode=yes")


def test_what_the_script_prints_and_reads_comes_through(tmp_path: Path) -> None:
    assert local_ssh(tmp_path).run("cat; echo 'a  b'", run, stdin=b"x\n").endswith("x\na  b\n")


def test_a_script_that_fails_is_no_failure_of_ssh(tmp_path: Path) -> None:
    with pytest.raises(CommandError) as caught:
        local_ssh(tmp_path).run("echo oh >&2; exit 3", run)
    assert (caught.value.status, caught.value.last_words) == (3, "    oh")


@pytest.mark.parametrize(
    ("words", "sentence", "hint"),
    [
        ("root@primary: Permission denied (publickey).", "accepts no key", "ssh-copy-id"),
        ("Host key verification failed.", "host key of root@primary is not known", "fingerprint"),
        (
            "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.",
            "the host key of root@primary is not the one that is known",
            "ssh-keygen -R",
        ),
        ("ssh: Could not resolve hostname primary: Name or", "no address is known", "name"),
        ("connect to host primary port 22: Connection refused", "no sshd answers", "Port="),
        ("connect to host primary port 22: Connection timed out", "does not answer", "is it on"),
        ("connect to host primary port 22: No route to host", "does not answer", "is it on"),
        ("kex_exchange_identification: read: reset", "the connection to", "ssh root@primary true"),
    ],
)
def test_a_failure_of_ssh_says_what_to_do(
    tmp_path: Path, words: str, sentence: str, hint: str
) -> None:
    ssh = local_ssh(tmp_path, f"cat >&2 <<'WORDS'\n{words}\nWORDS\nexit 255")
    with pytest.raises(SshError) as caught:
        ssh.run("true", run)
    assert sentence in str(caught.value)
    assert words.splitlines()[0] in str(caught.value)
    assert hint in caught.value.hint
    assert isinstance(caught.value, HostKeyError) == ("host key" in sentence)


@pytest.mark.parametrize("host", ["", "-oProxyCommand=reboot"])
def test_a_host_is_never_an_option(host: str) -> None:
    with pytest.raises(SshError, match="no host"):
        Ssh(host).argv("true")
