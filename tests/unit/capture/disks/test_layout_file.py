"""A layout that the user gives is taken as it is, or refused with every problem in it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from haoscar_pxe.capture.disks.default_layout import default_layout
from haoscar_pxe.capture.disks.layout_file import read_layout
from haoscar_pxe.errors import CaptureError
from haoscar_pxe.image.layout import Boot

LAYOUT = default_layout(
    "primary", Boot(firmware="bios", loader="grub", kernel_release="6"), (), 1 << 30, 10
)


def write(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "layout.json"
    path.write_bytes(content)
    return path


def test_layout_comes_back_as_it_was_printed(tmp_path: Path) -> None:
    printed = msgspec.json.format(msgspec.json.encode(LAYOUT))
    assert read_layout(write(tmp_path, printed)) == LAYOUT


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match=r"nowhere\.json: No such file"):
        read_layout(tmp_path / "nowhere.json")


TOO_DEEP = b'{"unknown": ' + b"[" * 100_000


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b'{"disks": 3}', TOO_DEEP])
def test_file_that_is_no_layout_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(CaptureError, match=r"layout\.json") as caught:
        read_layout(write(tmp_path, content))
    assert "docs/capture.md" in caught.value.hint


def test_wrong_value_is_named_by_its_place(tmp_path: Path) -> None:
    wrong = msgspec.json.encode(LAYOUT).replace(b'"mbr"', b'"bsd"')
    with pytest.raises(CaptureError, match=r"disks\[0\]\.table"):
        read_layout(write(tmp_path, wrong))


def test_every_problem_is_told(tmp_path: Path) -> None:
    disk = LAYOUT.disks[0]
    [root] = disk.partitions
    data = msgspec.structs.replace(
        root,
        start_bytes=disk.size_bytes + 1,
        content=msgspec.structs.replace(root.content, mount_point="srv"),
    )
    wrong = msgspec.structs.replace(
        LAYOUT, disks=(msgspec.structs.replace(disk, partitions=(data, data)),)
    )
    with pytest.raises(CaptureError) as caught:
        read_layout(write(tmp_path, msgspec.json.encode(wrong)))
    for problem in (
        'no file system has the mount point "/"',
        "srv is mounted twice",
        "'srv' is not absolute",
        "two partitions of one number",
        "outside its disk",
        "whole sectors",
    ):
        assert problem in str(caught.value)


def test_example_in_the_documentation_is_a_layout(tmp_path: Path) -> None:
    text = (Path(__file__).parents[4] / "docs/capture.md").read_bytes()
    example = text.split(b"```json\n")[1].split(b"```")[0]
    assert read_layout(write(tmp_path, example)).boot.kernel_release == ""
