"""The agent bundle is sent once, verified each time, and never run half."""

from __future__ import annotations

import os
import shutil
import stat
import time
from functools import partial
from pathlib import Path

import pytest

from haoscar_pxe.boot.bundle import build_bundle
from haoscar_pxe.capture.remote.capture_head import agent_command
from haoscar_pxe.capture.remote.delivery import AgentBundle, deliver
from haoscar_pxe.command import run
from haoscar_pxe.errors import CaptureError
from tests.unit.capture.local_ssh import local_ssh

WEEK_AND_DAY_S = 8 * 24 * 3600


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> AgentBundle:
    made = build_bundle(tmp_path_factory.mktemp("cache"))
    return AgentBundle(made.id, made.folder)


@pytest.fixture(scope="module")
def bundle(whole: AgentBundle, tmp_path_factory: pytest.TempPathFactory) -> AgentBundle:
    """A small one: it can be sent, but not run."""
    folder = tmp_path_factory.mktemp("small")
    for name in ("bin/busybox", "bin/sfdisk", "lib/libc.so.6"):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(whole.folder / name, folder / name)
    return AgentBundle("5ma11" * 10, folder)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "var cache" / "agents"


def delivered(bundle: AgentBundle, place: Path, before: str = "") -> Path:
    ssh = local_ssh(place.parents[1], before)
    return Path(deliver(bundle, ssh, run, str(place)).folder)


def test_it_arrives_complete_for_root_alone_and_runs_there(whole: AgentBundle, place: Path) -> None:
    folder = delivered(whole, place)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    sent = {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    made = {
        p.relative_to(whole.folder): p.read_bytes() for p in whole.folder.rglob("*") if p.is_file()
    }
    assert sent == made
    assert [path.name for path in place.iterdir()] == [folder.name]
    script = agent_command(whole, str(folder))
    printed = run(["sh", "-c", f"({script}) </dev/null 2>&1 || true"]).stdout
    assert b"the connection ended in the middle" in printed


def test_it_is_sent_once(bundle: AgentBundle, place: Path) -> None:
    folder = delivered(bundle, place)
    inode = folder.stat().st_ino
    os.utime(folder, (0, 0))
    refuse = 'case "$command" in *cat*|*tar*) echo "sent again" >&2; exit 1;; esac'
    assert delivered(bundle, place, refuse).stat().st_ino == inode
    assert folder.stat().st_mtime > 0


@pytest.mark.parametrize("damage", ["changed", "missing"])
def test_a_damaged_one_is_replaced(bundle: AgentBundle, place: Path, damage: str) -> None:
    folder = delivered(bundle, place)
    busybox = folder / "bin/busybox"
    content = busybox.read_bytes()
    if damage == "changed":
        (folder / "bin/sfdisk").write_bytes(b"#!/bin/sh\nreboot\n")
    else:
        busybox.unlink()
    assert delivered(bundle, place) == folder
    assert busybox.read_bytes() == content
    assert (folder / "bin/sfdisk").read_bytes() == (bundle.folder / "bin/sfdisk").read_bytes()


def test_half_of_one_is_never_used_and_does_not_stay(bundle: AgentBundle, place: Path) -> None:
    cut = 'case "$command" in *tar*) head -c 200000 | sh -c "$command"; exit;; esac'
    with pytest.raises(CaptureError, match="could not be sent"):
        delivered(bundle, place, cut)
    assert list(place.iterdir()) == []
    assert delivered(bundle, place).is_dir()


def test_what_somebody_else_put_there_is_not_run(bundle: AgentBundle, place: Path) -> None:
    folder = delivered(bundle, place)
    folder.rename(place / "theirs")
    folder.symlink_to(place / "theirs")
    with pytest.raises(CaptureError, match="is not root's") as caught:
        delivered(bundle, place)
    assert "--remote-folder" in caught.value.hint


def test_one_that_no_capture_used_for_a_week_goes(bundle: AgentBundle, place: Path) -> None:
    for name in ("agent-old", "agent-0123456789abcdef.partial", "agent-young", "other"):
        (place / name).mkdir(parents=True)
        (place / name / "file").touch()
    before = (place / "agent-old").stat().st_mtime - WEEK_AND_DAY_S
    for name in ("agent-old", "agent-0123456789abcdef.partial", "other"):
        os.utime(place / name, (before, before))
    folder = delivered(bundle, place)
    assert {path.name for path in place.iterdir()} == {"agent-young", "other", folder.name}


def program(folder: Path, name: str, lines: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{lines}\n")
    (folder / name).chmod(0o755)


def test_a_login_that_is_not_roots_goes_by_sudo(bundle: AgentBundle, place: Path) -> None:
    programs = place.parents[1] / "programs"
    program(programs, "id", "echo 1000")
    program(programs, "sudo", f'[ "$1" = -n ] && shift && echo "$1" >>{programs}/log && exec "$@"')
    ssh = local_ssh(place.parents[1], f"PATH={programs}:$PATH")
    there = deliver(bundle, ssh, run, str(place))
    assert there.ssh.as_root == ("sudo", "-n")
    assert Path(there.folder).is_dir()
    assert (programs / "log").read_text().split() == ["true", "sh", "sh", "sh", "sh"]


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ("echo haoscar-pxe riscv64 root", "riscv64 processor"),
        ("echo haoscar-pxe $(uname -m) none", "not root's"),
        ("echo This account is for mail only.", "ran no script"),
    ],
)
def test_a_head_that_cannot_be_captured_is_told_before_anything_is_sent(
    bundle: AgentBundle, place: Path, answer: str, sentence: str
) -> None:
    with pytest.raises(CaptureError, match=sentence):
        delivered(bundle, place, f'case "$command" in *uname*) {answer}; exit;; esac')
    assert not place.exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("cat: write error: No space left on device", "no room for the agent bundle"),
        ("sh: ./busybox: Permission denied", "does not let programs run"),
    ],
)
def test_a_place_that_cannot_hold_it_is_named(
    bundle: AgentBundle, place: Path, words: str, sentence: str
) -> None:
    fail = f'case "$command" in *tar*) cat >/dev/null; echo "{words}" >&2; exit 1;; esac'
    with pytest.raises(CaptureError, match=sentence) as caught:
        delivered(bundle, place, fail)
    assert "--remote-folder" in caught.value.hint


@pytest.mark.parametrize(
    ("before", "said"),
    [
        ("echo 'Press any key to go on'; exec sleep 60", "Press any key to go on"),
        ("echo 'Terminal type?' >&2; exec sleep 60", "Terminal type?"),
    ],
    ids=["prints and waits", "asks on standard error"],
)
def test_a_login_that_never_ends_is_given_up_with_what_it_said(
    bundle: AgentBundle, place: Path, before: str, said: str
) -> None:
    ssh, began = local_ssh(place.parents[1], before), time.monotonic()
    with pytest.raises(CaptureError, match="ran no script within its time") as caught:
        deliver(bundle, ssh, run, str(place), look=partial(run, timeout_s=0.3))
    assert time.monotonic() - began < 10
    assert said in str(caught.value)
    assert "must end by itself" in caught.value.hint
    assert not place.exists()
