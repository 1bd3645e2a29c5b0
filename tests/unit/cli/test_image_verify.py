"""`image verify` reads back what is stored, and says what a reinstall would change."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from haoscar_pxe.capture.scope.scope import Scope
from haoscar_pxe.cli.tree_scope import left_out_paths, tree_scope
from haoscar_pxe.errors import CaptureError, ComparisonError, IntegrityError
from tests.unit.cli.captured_site import make_captured
from tests.unit.cli.site_folder import call, make
from tests.unit.image.awkward import needs_root


@pytest.fixture
def site(tmp_path: Path) -> tuple[Path, Path]:
    return make_captured(tmp_path)


def test_what_is_stored_is_read_back(site: tuple[Path, Path]) -> None:
    config, _ = site
    assert call(config, "image", "verify").output.startswith("whole: 2 generation(s)")
    assert call(config, "image", "verify", "head@1").output.startswith("whole: 1 generation(s)")


def test_damage_is_named_and_is_an_exit_status(site: tuple[Path, Path]) -> None:
    config, _ = site
    for pack in (config.parent / "images/packs").rglob("*.pack"):
        pack.write_bytes(pack.read_bytes()[:-1])
    result = call(config, "image", "verify")
    assert isinstance(result.exception, IntegrityError)
    assert "damaged  " in result.output


def test_a_tree_that_a_reinstall_would_not_change_is_said_to_be_the_generation(
    site: tuple[Path, Path],
) -> None:
    config, tree = site
    result = call(config, "image", "verify", "head", "--tree", str(tree))
    assert result.exit_code == 0
    assert result.output == f"{tree} is head@1: 8 entries, none differs\n"


def test_each_difference_is_a_line_and_all_are_an_exit_status(site: tuple[Path, Path]) -> None:
    config, tree = site
    (tree / "etc/ssh/sshd_config").chmod(0o666)
    (tree / "etc/name").unlink()
    (tree / "etc/new").mkdir()
    result = call(config, "image", "verify", "head@1", "--tree", str(tree))
    assert isinstance(result.exception, ComparisonError)
    assert result.exception.exit_status == 32
    lines = result.output.splitlines()
    assert "~ /etc/ssh/sshd_config  mode: 0644 became 0666" in lines
    assert "- /etc/name  missing: symlink" in lines
    assert "+ /etc/new  not in the generation: directory" in lines


def test_programs_are_given_the_differences(site: tuple[Path, Path]) -> None:
    config, tree = site
    os.utime(tree / "disk", ns=(0, 0))
    result = call(config, "image", "verify", "head", "--tree", str(tree), "--json")
    assert result.exit_code != 0
    (difference,) = json.loads(result.stdout)["differences"]
    assert (difference["path"], difference["aspect"]) == ("disk", "mtime")


def test_a_tree_is_compared_with_a_named_generation_only(site: tuple[Path, Path]) -> None:
    config, tree = site
    assert call(config, "image", "verify", "--tree", str(tree)).exit_code == 2


def test_what_a_capture_leaves_out_is_not_compared(site: tuple[Path, Path]) -> None:
    """The site's own state below the tree, as on a head that is its own image server."""
    config, tree = site
    config.write_text(config.read_text() + f'[capture]\nexclude = ["{tree}/scratch"]\n')
    (tree / "scratch").mkdir()
    (tree / "scratch/much").write_text("never captured")
    assert call(config, "capture", "head", "--root", str(tree)).exit_code == 0
    (tree / "scratch/more").write_text("neither")
    assert call(config, "image", "verify", "head", "--tree", str(tree)).exit_code == 0


def test_the_running_machines_pseudo_file_systems_are_left_out() -> None:
    scope = tree_scope(Path("/"), {})
    assert {b"proc", b"sys", b"lost+found"} <= left_out_paths(scope)


def test_a_lost_and_found_is_left_out_at_each_mount_point() -> None:
    scope = Scope(mount_points=frozenset({b"", b"home"}), excluded={b"swapfile": "swap"})
    assert left_out_paths(scope) == {b"lost+found", b"home/lost+found", b"swapfile"}


def test_a_tree_that_is_excluded_itself_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CaptureError):
        tree_scope(tmp_path, {os.fsencode(tmp_path): "excluded"})


@needs_root
def test_what_lies_on_a_pseudo_file_system_of_the_tree_is_not_compared(
    site: tuple[Path, Path],
) -> None:
    config, tree = site
    (tree / "run").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "none", tree / "run"], check=True)
    try:
        (tree / "run/before").write_text("a process id")
        assert call(config, "capture", "head", "--root", str(tree)).exit_code == 0
        (tree / "run/after").write_text("another")
        result = call(config, "image", "verify", "head", "--tree", str(tree))
        assert result.exit_code == 0, result.output
    finally:
        subprocess.run(["umount", tree / "run"], check=True)


def test_a_repair_and_another_capture_heal_old_generations(tmp_path: Path) -> None:
    config, tree = damaged_site(tmp_path)
    refused = call(config, "image", "verify", "again")
    assert isinstance(refused.exception, IntegrityError)
    assert "image verify --repair" in refused.exception.hint
    repaired = call(config, "image", "verify", "--repair", "--yes")
    assert "'haoscar-pxe capture again' stores anew" in repaired.output
    assert isinstance(repaired.exception, IntegrityError)
    assert "again@1" in str(repaired.exception)
    assert list((tmp_path / "images" / "damaged").glob("*.pack"))
    assert call(config, "capture", "again", "--root", str(tree)).exit_code == 0
    assert call(config, "image", "verify", "again@1").exit_code == 0


def test_a_dry_run_and_a_no_repair_nothing(tmp_path: Path) -> None:
    config, _ = damaged_site(tmp_path)
    before = stored(tmp_path)
    planned = call(config, "image", "verify", "--repair", "--dry-run", "--json")
    assert isinstance(planned.exception, IntegrityError)
    assert '"report":null' in planned.output.replace(" ", "")
    assert call(config, "image", "verify", "--repair", stdin="n\n").exit_code != 0
    assert stored(tmp_path) == before


def test_the_tree_that_was_captured_makes_it_whole_at_once(tmp_path: Path) -> None:
    config, tree = damaged_site(tmp_path)
    arguments = ("image", "verify", "--repair", "--yes", "--tree", str(tree))
    assert "brought 1 from elsewhere" in call(config, *arguments).output
    assert call(config, "image", "verify", "again").exit_code == 0


def damaged_site(tmp_path: Path) -> tuple[Path, Path]:
    """A site with one file captured, and a bit of its content flipped; its tree."""
    config = make(tmp_path)
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "file").write_bytes(os.urandom(5000))
    assert call(config, "capture", "again", "--root", str(tree)).exit_code == 0
    content = (tree / "file").read_bytes()
    for pack in (tmp_path / "images" / "packs").glob("*/*.pack"):
        damaged = bytearray(pack.read_bytes())
        at = damaged.find(content)
        if at >= 0:
            damaged[at] ^= 1
            pack.write_bytes(damaged)
    return config, tree


def stored(tmp_path: Path) -> dict[str, bytes]:
    """All packs and manifests, and whatever else lies in the repository."""
    files = (path for path in (tmp_path / "images").rglob("*") if path.is_file())
    return {str(path): path.read_bytes() for path in files}
