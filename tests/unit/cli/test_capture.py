"""`capture`: of this machine, or of the one that option or configuration name."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from haoscar_pxe.capture.remote.ssh import SshError
from tests.unit.capture.local_ssh import local_ssh
from tests.unit.cli.site_folder import call, make

HEAD = """
[[head]]
image = "far"
host = "root@primary"
remote_folder = "{place}"
after = [["mkdir", "{done}"]]
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    local_ssh(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    (tmp_path / "tree/etc").mkdir(parents=True)
    (tmp_path / "tree/etc/hostname").write_text("primary\n")
    path = make(tmp_path)
    said = HEAD.format(place=tmp_path / "agents", done=tmp_path / "done")
    path.write_text(path.read_text() + said)
    return path


def test_the_head_of_the_configuration_is_captured_over_ssh(config: Path) -> None:
    folder = config.parent
    result = call(config, "capture", "far", "--root", str(folder / "tree"), "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert (report["generation"], report["entries"]) == (1, 3)
    assert report["received_bytes"] > 100
    assert (folder / "done").is_dir()
    assert len(list((folder / "agents").iterdir())) == 1


def test_this_machine_is_captured_if_that_is_what_is_typed(config: Path) -> None:
    folder = config.parent
    words = ("capture", "far", "--host", "-", "--root", str(folder / "tree"))
    result = call(config, *words)
    assert result.exit_code == 0, result.output
    assert "far generation 1: 3 entries" in result.output
    assert "received" not in result.output
    assert not (folder / "agents").exists()


def test_a_full_capture_stores_nothing_twice(config: Path) -> None:
    tree = config.parent / "tree"
    (tree / "data").write_bytes(b"old data")
    words = ("capture", "near", "--root", str(tree))
    assert call(config, *words).exit_code == 0
    result = call(config, *words, "--full")
    assert result.exit_code == 0, result.output
    assert "near generation 2: 4 entries, 16 B of content, 0 B added" in result.output


def test_a_host_that_is_an_option_is_refused(config: Path) -> None:
    result = call(config, "capture", "near", "--host", "-oProxyCommand=reboot")
    assert isinstance(result.exception, SshError)


def test_snapshots_that_are_required_and_cannot_be_had_store_nothing(config: Path) -> None:
    tree = config.parent / "tree"
    words = ("capture", "near", "--host", "-", "--root", str(tree))
    refused = call(config, *words, "--snapshot", "require")
    assert refused.exception is not None
    assert "snapshots are required" in str(refused.exception)
    assert call(config, *words, "--snapshot", "off").exit_code == 0
