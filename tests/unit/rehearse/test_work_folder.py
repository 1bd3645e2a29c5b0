"""A work folder has one user at a time."""

from __future__ import annotations

from pathlib import Path

import pytest

from haoscar_pxe.errors import BusyError, RehearsalError
from haoscar_pxe.rehearse.work_folder import held


def test_a_second_user_is_refused_at_once(tmp_path: Path) -> None:
    with held(tmp_path / "work", "the demo"):
        with (
            pytest.raises(BusyError, match="the demo is running in"),
            held(tmp_path / "work", "the demo"),
        ):
            pass
        with held(tmp_path / "other", "the demo"):
            pass


def test_it_is_free_again_after_use_even_after_a_failure(tmp_path: Path) -> None:
    with pytest.raises(KeyError), held(tmp_path, "the demo"):
        raise KeyError
    with held(tmp_path, "the demo"):
        pass


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RehearsalError, match="cannot work in"), held(tmp_path / "file", "the demo"):
        pass
