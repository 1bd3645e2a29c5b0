"""`image show`: one generation, and how far its files fit together."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from haoscar_pxe.cli.image import CONSISTENCY_WORDS
from haoscar_pxe.image.manifest import Consistency
from tests.unit.cli.site_folder import call, make


def test_show_says_whether_the_files_are_of_one_moment(tmp_path: Path) -> None:
    result = call(make(tmp_path), "image", "show", "primary")
    assert result.exit_code == 0, result.output
    assert "tree: a tree in which nothing ran" in result.output


def test_every_consistency_has_its_words() -> None:
    assert set(CONSISTENCY_WORDS) == set(get_args(Consistency))
