"""Commands open secrets with the site's keys, and say what stays closed without them."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest

from haoscar_pxe.errors import ComparisonError, SealedError
from tests.unit.cli.captured_site import capture, make_captured
from tests.unit.cli.site_folder import call
from tests.unit.image.awkward import needs_root

SECRET = "root:$6$canary-in-the-shadow$x:19000::::::\n"


@pytest.fixture
def site(tmp_path: Path) -> tuple[Path, Path]:
    """Generation 2 of `head` has two secrets."""
    config, tree = make_captured(tmp_path)
    (tree / "etc/shadow").write_text(SECRET)
    (tree / "etc/ssh/ssh_host_rsa_key").write_text("canary of the host key")
    capture(config, tree)
    return config, tree


def take_key_away(config: Path) -> Path:
    key = config.parent / "keys/sealing/head/1.key"
    return key.rename(config.parent / "1.key")


def test_first_capture_makes_the_key_and_only_root_reads_it(site: tuple[Path, Path]) -> None:
    config, _ = site
    folder = config.parent / "keys/sealing"
    assert (folder / "head/1.key").stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "head/1.pub").read_text().startswith("haoscar-x25519 ")


def test_secrets_are_listed_with_their_reasons(site: tuple[Path, Path]) -> None:
    config, _ = site
    lines = call(config, "image", "files", "--secrets", "head").output.splitlines()
    assert [line.split()[-3:] for line in lines] == [
        ["/etc/shadow", "(password", "hashes)"],
        ["keys", "of", "sshd)"],
    ]
    listed = json.loads(call(config, "image", "files", "--secrets", "head", "--json").output)
    assert [each["path"] for each in listed] == ["etc/shadow", "etc/ssh/ssh_host_rsa_key"]
    assert "2 files, sealed by key" in call(config, "image", "show", "head").output


def test_cat_opens_with_the_key_and_names_it_without(site: tuple[Path, Path]) -> None:
    config, _ = site
    assert call(config, "image", "cat", "head", "/etc/shadow").output == SECRET
    take_key_away(config)
    result = call(config, "image", "cat", "head", "/etc/shadow")
    assert isinstance(result.exception, SealedError)
    assert "keys/sealing/IMAGE" in result.exception.hint


@needs_root
def test_restore_refuses_before_it_writes_and_leaves_secrets_out_when_told(
    site: tuple[Path, Path], tmp_path: Path
) -> None:
    config, _ = site
    whole, public, none = (str(tmp_path / name) for name in ("whole", "public", "none"))
    assert call(config, "image", "restore", "head", whole).exit_code == 0
    assert Path(whole, "etc/shadow").read_text() == SECRET
    take_key_away(config)
    result = call(config, "image", "restore", "head", none)
    assert isinstance(result.exception, SealedError)
    assert "2 files of head@2 are sealed" in str(result.exception)
    assert "--without-secrets" in result.exception.hint
    assert not Path(none).exists()
    result = call(config, "image", "restore", "head", public, "--without-secrets")
    assert "left out /etc/shadow: it is sealed" in result.output
    assert not Path(public, "etc/shadow").exists()
    assert Path(public, "etc/hostname").exists()


def test_export_leaves_secrets_out_when_told(site: tuple[Path, Path], tmp_path: Path) -> None:
    config, _ = site
    take_key_away(config)
    archive = tmp_path / "head.tar"
    assert isinstance(call(config, "image", "export", "head", str(archive)).exception, SealedError)
    assert not archive.exists()
    result = call(config, "image", "export", "head", str(archive), "--without-secrets")
    assert "left out /etc/ssh/ssh_host_rsa_key: it is sealed" in result.output
    with tarfile.open(archive) as found:
        assert "etc/shadow" not in found.getnames()
    assert b"canary" not in archive.read_bytes()


def test_tree_is_compared_with_the_key_and_closed_files_are_named_without(
    site: tuple[Path, Path],
) -> None:
    config, tree = site
    words = ("image", "verify", "head", "--tree", str(tree))
    assert call(config, *words).output == f"{tree} is head@2: 10 entries, none differs\n"
    key = take_key_away(config)
    result = call(config, *words)
    assert result.exit_code == 0
    assert "not compared /etc/shadow: it is sealed" in result.output
    assert "but 2 are sealed and were not compared" in result.output
    key.rename(config.parent / "keys/sealing/head/1.key")
    (tree / "etc/shadow").write_text(SECRET[::-1])
    result = call(config, *words)
    assert isinstance(result.exception, ComparisonError)
    assert "/etc/shadow  content" in result.output


def test_verify_and_capture_need_no_opening_key(site: tuple[Path, Path]) -> None:
    config, tree = site
    take_key_away(config)
    assert call(config, "image", "verify").output.startswith("whole: 3 generation(s)")
    capture(config, tree)
    listed = call(config, "key", "seal", "list").output.splitlines()
    assert listed[1].startswith("head")
    assert listed[1].split()[-5:] == ["seals", "new", "captures", "not", "here"]


def test_rotated_key_seals_the_next_capture_and_both_are_compared(site: tuple[Path, Path]) -> None:
    config, tree = site
    assert "2.key" in call(config, "key", "seal", "rotate", "head").output
    capture(config, tree)
    keys = json.loads(call(config, "key", "seal", "list", "--json").output)
    assert [(each["number"], each["seals"], each["opens_here"]) for each in keys] == [
        (1, False, True),
        (2, True, True),
    ]
    shown = json.loads(call(config, "image", "show", "head", "--json").output)
    assert shown["sealing_keys"] == [keys[1]["key_id"]]
    result = call(config, "image", "diff", "head@2", "head@3")
    assert "0 added, 0 removed, 0 changed" in result.output
    take_key_away(config)
    result = call(config, "image", "diff", "head@2", "head@3")
    assert "~ /etc/shadow  closed" in result.output
