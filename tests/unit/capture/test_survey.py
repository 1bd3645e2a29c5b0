"""What is known of a tree before it is walked."""

from __future__ import annotations

import os
from pathlib import Path

from haoscar_pxe.capture.scope.scope import Treatment
from haoscar_pxe.capture.survey import Question, Survey, survey, tree_file
from tests.unit.capture.recorded import RecordedTools
from tests.unit.capture.recording import opened


def look(root: Path, never: dict[bytes, str] | None = None) -> Survey:
    tools = RecordedTools()
    with opened(root) as fd:
        question = Question(os.fsencode(root.resolve()), fd, never or {}, False, None)
        found = survey(question, tools)
    assert tools.ran == []
    return found


def test_tree_is_asked_for_its_name_and_files_and_no_tool_for_its_disks(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/hostname").write_text("primary\n# not this\n")
    (tmp_path / "etc/fstab").write_text("UUID=1 / ext4 defaults\n")
    found = look(tmp_path)
    assert (found.host_name, found.running, found.layout) == ("primary", None, None)
    assert found.fstab[0].mount_point == "/"


def test_empty_tree_has_no_name(tmp_path: Path) -> None:
    found = look(tmp_path)
    assert (found.host_name, found.fstab) == ("", ())


def test_excluded_folder_of_the_tree_is_in_its_scope(tmp_path: Path) -> None:
    (tmp_path / "repo").mkdir()
    found = look(tmp_path, {os.fsencode(tmp_path / "repo"): "the repository itself"})
    assert found.scope.treatment(b"repo", is_folder=True) is Treatment.EMPTY


def test_file_of_the_tree_that_is_a_link_or_a_fifo_is_not_read(tmp_path: Path) -> None:
    """A tree's link leads where it would lead on its own machine, not on this one."""
    (tmp_path / "fstab").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "hosts")
    with opened(tmp_path) as fd:
        assert tree_file(fd, b"fstab") == b""
        assert tree_file(fd, b"hosts") == b""
        assert tree_file(fd, b"nowhere") == b""
