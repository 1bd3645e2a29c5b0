"""Exclusions and mount decisions become the treatment of paths."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from haoscar_pxe.capture.scope.belonging import Decision
from haoscar_pxe.capture.scope.scope import Scope, Treatment, exclusions, scope_of, without_excluded
from haoscar_pxe.errors import CaptureError
from tests.unit.capture.recording import mount


def test_excluded_folder_is_kept_empty_and_excluded_file_is_not_there() -> None:
    scope = Scope(excluded={b"var/repo": "the repository", b"swapfile": "swap"})
    assert scope.treatment(b"var/repo", is_folder=True) is Treatment.EMPTY
    assert scope.treatment(b"swapfile", is_folder=False) is Treatment.LEAVE_OUT


def test_lost_and_found_is_left_out_only_where_a_file_system_begins() -> None:
    scope = Scope(mount_points=frozenset({b"", b"srv"}))
    for path in (b"lost+found", b"srv/lost+found"):
        assert scope.treatment(path, is_folder=True) is Treatment.LEAVE_OUT
    assert scope.treatment(b"home/lost+found", is_folder=True) is Treatment.ENTER


def test_single_file_that_is_a_mount_point_is_captured_as_it_is_seen() -> None:
    scope = Scope(empty={b"etc/resolv.conf": "in memory"})
    assert scope.treatment(b"etc/resolv.conf", is_folder=False) is Treatment.ENTER


def test_work_folder_that_holds_the_tree_excludes_nothing(tmp_path: Path) -> None:
    root = tmp_path / "state/head"
    (root / "repo").mkdir(parents=True)
    wanted = {os.fsencode(tmp_path / "state"): "state", os.fsencode(root / "repo"): "repository"}
    assert exclusions(os.fsencode(root), wanted) == {os.fsencode(root / "repo"): "repository"}


def test_excluded_path_is_known_under_its_real_name(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    wanted = {os.fsencode(tmp_path / "link"): "state", os.fsencode(tmp_path / "gone"): "state"}
    assert exclusions(os.fsencode(tmp_path), wanted) == {os.fsencode(tmp_path / "real"): "state"}


def test_tree_that_is_the_repository_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="the repository itself"):
        exclusions(os.fsencode(tmp_path), {os.fsencode(tmp_path): "the repository itself"})


def test_disk_that_only_holds_the_repository_does_not_belong() -> None:
    decisions = [
        Decision(mount(1, b"/"), True, "root"),
        Decision(mount(2, b"/images"), True, "fixed"),
        Decision(mount(3, b"/images/deep"), True, "fixed"),
        Decision(mount(4, b"/images2"), True, "fixed"),
    ]
    found = without_excluded(decisions, {b"/images": "the repository itself"})
    assert [one.belongs for one in found] == [True, False, False, True]
    assert found[1].reason == "the repository itself"


def test_scope_speaks_of_paths_below_the_root() -> None:
    decisions = [
        Decision(mount(1, b"/srv"), True, "root"),
        Decision(mount(2, b"/srv/head/boot"), True, "fixed"),
        Decision(mount(3, b"/srv/head/proc"), False, "kernel"),
        Decision(mount(4, b"/srv/head/net"), False, "network", may_hang=True),
    ]
    scope = scope_of(b"/srv/head", decisions, {b"/srv/head/repo": "repository"})
    assert scope.mount_points == {b"", b"boot"}
    assert scope.treatment(b"proc", is_folder=True) is Treatment.EMPTY
    assert scope.treatment(b"net", is_folder=True) is Treatment.UNTOUCHED
    assert scope.treatment(b"repo", is_folder=True) is Treatment.EMPTY
    assert [(one.path, one.reason) for one in scope.left_out()] == [
        (b"net", "network"),
        (b"proc", "kernel"),
        (b"repo", "repository"),
    ]


def test_what_lies_below_something_left_out_is_not_told_again() -> None:
    scope = Scope(empty={b"sys": "kernel", b"sys/fs/cgroup": "below", b"system": "kernel"})
    assert [one.path for one in scope.left_out()] == [b"sys", b"system"]
