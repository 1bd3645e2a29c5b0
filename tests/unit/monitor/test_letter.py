"""Events as mails, parsed back by the standard library's own parser."""

from __future__ import annotations

import time
from email import message_from_bytes, policy
from pathlib import Path

import pytest

from haoscar_pxe.monitor.event import Event
from haoscar_pxe.monitor.history import History
from haoscar_pxe.monitor.letter import is_mailed, letter

ALERT = Event(1_700_000_000_000_000_000, "primary", "guard gone", "flushed at wörk", 5, "alert")


def test_a_mail_says_where_what_and_why() -> None:
    parsed = message_from_bytes(letter(ALERT, ["root", "ops@example.org"], "head1"))
    said = message_from_bytes(parsed.as_bytes(), policy=policy.default)
    assert said["To"] == "root, ops@example.org"
    assert said["Subject"] == "[haoscar-pxe] primary head1: guard gone"
    assert "guard gone: flushed at wörk (epoch 5)" in said.get_content()


def test_what_a_program_said_adds_no_header() -> None:
    evil = Event(0, "primary", "cannot start x\nBcc: all@example.org", "no", 0, "alert")
    said = message_from_bytes(letter(evil, ["root"], "head1"))
    assert said["Bcc"] is None
    assert said["To"] == "root"


def test_alerts_and_take_overs_are_mailed_and_nothing_else() -> None:
    assert is_mailed(ALERT)
    assert is_mailed(Event(0, "standby", "active", "a majority granted the lease"))
    assert not is_mailed(Event(0, "standby", "passive", "was stopped"))


def test_the_sites_sendmail_gets_the_mail_on_its_standard_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "sendmail"
    program.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/argv\ncat > {tmp_path}/half\n')
    with program.open("a") as script:
        script.write(f"mv {tmp_path}/half {tmp_path}/mail\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    history = History(tmp_path, "primary", (), ("root",))
    history.note("guard gone", "flushed", level="alert")
    until = time.monotonic() + 5
    while not (tmp_path / "mail").exists() and time.monotonic() < until:
        time.sleep(0.01)
    assert b"guard gone: flushed" in (tmp_path / "mail").read_bytes()
    assert (tmp_path / "argv").read_text() == "-t -oi\n"
    history.close()


def test_a_missing_sendmail_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    history = History(tmp_path, "primary", (), ("root",))
    history.note("guard gone", "flushed", level="alert")
    assert len(history.events()) == 1
