"""What the storage tools print becomes values; anything else is refused."""

from __future__ import annotations

import json

import pytest

from haoscar_pxe.capture.snapshot.listings import (
    Subvolume,
    VolumeGroup,
    parse_lvs,
    parse_subvolumes,
    parse_vgs,
)
from haoscar_pxe.errors import CaptureError


def row(name: str, attributes: str, **more: str) -> dict[str, str]:
    """A row as lvs 2.03.16 prints it: all values are strings."""
    plain = {
        "vg_name": "vg",
        "lv_name": name,
        "lv_kernel_major": "253",
        "lv_kernel_minor": "4",
        "lv_attr": attributes,
        "lv_size": "1073741824",
        "pool_lv": "",
        "data_percent": "",
        "lv_tags": "",
    }
    return {**plain, **more}


def lvs(*rows: dict[str, str]) -> bytes:
    return json.dumps({"report": [{"lv": list(rows)}]}).encode()


def test_volumes_have_their_device_pool_and_tags() -> None:
    thin = row("root", "Vwi-aotz--", pool_lv="pool", data_percent="12.50", lv_tags="a,b")
    [volume] = parse_lvs(lvs(thin))
    assert (volume.group, volume.name, volume.number) == ("vg", "root", (253, 4))
    assert (volume.kind, volume.pool, volume.used_percent) == ("V", "pool", 12.5)
    assert volume.tags == ("a", "b")
    assert volume.size_bytes == 1 << 30


@pytest.mark.parametrize(
    ("attributes", "percent", "expected"),
    [
        ("swi-a-s---", "40.00", False),
        ("swi-I-s---", "100.00", True),
        ("swi-a-s---", "100.00", True),
        ("Vwi-aotz--", "100.00", False),
        ("-wi-ao----", "", False),
    ],
)
def test_a_snapshot_without_room_left_is_overflowed(
    attributes: str, percent: str, expected: bool
) -> None:
    [volume] = parse_lvs(lvs(row("shot", attributes, data_percent=percent)))
    assert volume.is_overflowed is expected


def test_groups_have_their_free_room() -> None:
    group = {"vg_name": "vg", "vg_free": "41943040", "vg_extent_size": "4194304"}
    text = json.dumps({"report": [{"vg": [group]}]})
    assert parse_vgs(text.encode()) == [VolumeGroup("vg", 40 << 20, 4 << 20)]


@pytest.mark.parametrize("text", [b"", b"[]", b'{"report": [{"lv": [{"lv_name": "a"}]}]}'])
def test_another_report_is_refused(text: bytes) -> None:
    with pytest.raises(CaptureError, match="lvs"):
        parse_lvs(text)


def test_subvolumes_keep_blanks_and_bytes_of_their_names() -> None:
    text = b"ID 256 gen 7 top level 5 path @\nID 258 gen 7 top level 256 path @/var \xff path\n"
    assert parse_subvolumes(text) == [Subvolume(256, b"@"), Subvolume(258, b"@/var \xff path")]
    with pytest.raises(CaptureError, match="no such"):
        parse_subvolumes(b"ERROR: no such thing\n")
