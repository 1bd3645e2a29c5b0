"""What a member remembers."""

from __future__ import annotations

from pathlib import Path

import pytest

from haoscar_pxe.errors import FailoverError
from haoscar_pxe.monitor.lease import Tenures
from haoscar_pxe.monitor.past import Past, read_past, write_past

PAST = Past(
    "primary", Tenures(3, 5), settled=1, maintenance="a new disk", rejoined_s=(1_700_000_000,)
)


def test_what_was_written_is_remembered(tmp_path: Path) -> None:
    write_past(tmp_path, PAST)
    assert read_past(tmp_path, "primary") == PAST


def test_a_past_that_an_earlier_version_wrote_is_read(tmp_path: Path) -> None:
    (tmp_path / "past.json").write_bytes(b'{"member": "primary", "settled": 3}')
    assert read_past(tmp_path, "primary") == Past("primary", settled=3)


def test_a_new_member_remembers_nothing(tmp_path: Path) -> None:
    assert read_past(tmp_path, "standby") == Past("standby")


def test_a_clone_does_not_take_the_primarys_past_for_its_own(tmp_path: Path) -> None:
    write_past(tmp_path, PAST)
    assert read_past(tmp_path, "standby") == Past("standby")


def test_a_damaged_past_is_refused_not_forgotten(tmp_path: Path) -> None:
    (tmp_path / "past.json").write_bytes(b'{"member": "primary", "ten')
    with pytest.raises(FailoverError, match="cannot be read") as caught:
        read_past(tmp_path, "primary")
    assert "remove" in caught.value.hint
