"""`image export` writes a file that is whole or not there."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest

from haoscar_pxe.errors import IntegrityError, StorageError
from tests.needed import need
from tests.unit.cli.captured_site import make_captured
from tests.unit.cli.site_folder import call


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return make_captured(tmp_path)[0]


def test_an_archive_is_written_and_said_to_be_there(config: Path, tmp_path: Path) -> None:
    file = tmp_path / "head.tar"
    result = call(config, "image", "export", "head", str(file))
    assert result.output.startswith(f"head@1 is in {file}: tar, ")
    with tarfile.open(file) as opened:
        assert "etc/ssh/sshd_config" in opened.getnames()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_standard_output_is_an_archive_and_nothing_else(config: Path) -> None:
    result = call(config, "image", "export", "head@1", "-")
    with tarfile.open(fileobj=io.BytesIO(result.stdout_bytes)) as opened:
        assert len(opened.getmembers()) == 8


def test_a_squashfs_is_a_format(config: Path, tmp_path: Path) -> None:
    need("mksquashfs", root=False)
    file = tmp_path / "head.squashfs"
    result = call(config, "image", "export", "head", str(file), "--format", "squashfs", "--json")
    document = json.loads(result.stdout)
    assert document["generation"] == "head@1"
    assert document["size_bytes"] == file.stat().st_size
    assert file.read_bytes()[:4] == b"hsqs"  # squashfs_fs.h, SQUASHFS_MAGIC


def test_a_file_that_is_there_is_not_replaced(config: Path, tmp_path: Path) -> None:
    (tmp_path / "head.tar").write_text("mine")
    error = call(config, "image", "export", "head", str(tmp_path / "head.tar")).exception
    assert isinstance(error, StorageError)
    assert "exists already" in str(error)
    assert (tmp_path / "head.tar").read_text() == "mine"


def test_a_damaged_image_leaves_no_file(config: Path, tmp_path: Path) -> None:
    for pack in (tmp_path / "images/packs").rglob("*.pack"):
        content = bytearray(pack.read_bytes())
        content[20] ^= 1
        pack.write_bytes(content)
    before = sorted(tmp_path.iterdir())
    result = call(config, "image", "export", "head", str(tmp_path / "head.tar"))
    assert isinstance(result.exception, IntegrityError)
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("words", [("--json",), ("--format", "squashfs")])
def test_only_a_tar_archive_goes_to_standard_output(config: Path, words: tuple[str, ...]) -> None:
    assert call(config, "image", "export", "head", "-", *words).exit_code == 2
