"""The machine's checks name what is missing and what to type."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from haoscar_pxe.cli.check import Check
from haoscar_pxe.cli.machine_checks import (
    NEEDED,
    OPTIONAL,
    accelerator_check,
    clock_check,
    key_check,
    program_checks,
    repository_check,
)
from haoscar_pxe.cli.site import Site
from haoscar_pxe.image.signing import SigningKey
from tests.unit.cli.site_folder import make

LONG_AGO = datetime(1970, 1, 2, tzinfo=UTC).timestamp()
BEFORE_THE_CAPTURE = datetime(2025, 1, 2, tzinfo=UTC).timestamp()


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(make(tmp_path))


def checks(name: str) -> list[Check]:
    return [check for check in program_checks() if check.name == name]


def test_missing_programs_are_named_with_their_packages(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for program in NEEDED:
        if program.name != "sfdisk":
            (tmp_path / program.name).symlink_to("/bin/true")
    monkeypatch.setenv("PATH", str(tmp_path))
    needed, *optional = checks("programs")
    assert needed.verdict == "failed"
    assert needed.found == "missing: sfdisk (captures and installs)"
    assert needed.hint == "apt install fdisk"
    assert {check.verdict for check in optional} == {"warning"}
    assert any("rehearsals" in check.found for check in optional)


def test_nothing_missing_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in (each.name for each in (*NEEDED, *OPTIONAL)):
        (tmp_path / name).symlink_to("/bin/true")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert [check.verdict for check in checks("programs")] == ["ok"]


def test_a_repository_says_what_it_holds_and_what_is_free(site: Site) -> None:
    check = repository_check(site)
    assert check.verdict in ("ok", "warning")
    assert "1 images" in check.found
    assert "GiB free" in check.found


def test_no_repository_is_told_with_what_makes_one(site: Site, tmp_path: Path) -> None:
    (tmp_path / "images" / "format").unlink()
    check = repository_check(site)
    assert check.verdict == "failed"
    assert "init" in check.hint


def test_a_key_that_signs_and_is_trusted_is_fine(site: Site) -> None:
    assert key_check(site).verdict == "ok"


def test_a_key_that_nobody_trusts_is_found(site: Site, tmp_path: Path) -> None:
    other = SigningKey.generate().public.encode()
    (tmp_path / "keys" / "signing.pub").write_text(other)
    check = key_check(site)
    assert check.verdict == "failed"
    assert "trusted" in check.found


def test_a_key_that_others_can_read_is_found(site: Site, tmp_path: Path) -> None:
    key = tmp_path / "keys" / "signing.key"
    os.chmod(key, 0o644)
    check = key_check(site)
    assert check.verdict == "warning"
    assert check.hint == f"chmod 600 {key}"


def test_no_key_at_all_is_told(site: Site, tmp_path: Path) -> None:
    (tmp_path / "keys" / "signing.key").unlink()
    assert key_check(site).verdict == "failed"


def test_a_clock_that_stands_at_its_beginning_is_found(site: Site) -> None:
    assert clock_check(site, LONG_AGO).verdict == "failed"


def test_a_clock_before_a_capture_is_found(site: Site) -> None:
    newest = site.repository.manifest("primary", None, site.trusted).created_ns
    now_s = max(newest / 1e9 - 60, BEFORE_THE_CAPTURE)
    expected = "warning" if newest > now_s * 1e9 else "ok"
    assert clock_check(site, now_s).verdict == expected


def test_emulation_without_qemu_is_only_a_warning(
    site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert accelerator_check(site).verdict == "warning"
