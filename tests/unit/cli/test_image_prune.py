"""`image prune` says what it would do, does it, and keeps what nodes need."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import Result
from msgspec.structs import replace

from haoscar_pxe.cli.image_prune import local_zone, packs_in_use, protected
from haoscar_pxe.cli.site import Site
from haoscar_pxe.errors import BusyError, RepositoryError
from haoscar_pxe.image.reader import ChunkReader
from haoscar_pxe.nodes.node import NodeState
from tests.unit.cli.captured_site import capture, make_captured
from tests.unit.cli.site_folder import call

ADD = ("node", "add", "standby", "--mac", "52:54:00:00:00:20", "--address", "10.77.0.20/24")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The image `primary` of one generation, and `head` of four with a large file each."""
    config, tree = make_captured(tmp_path)
    for number in range(3):
        (tree / "large").write_bytes(bytes([number]) * 3_000_000)
        capture(config, tree)
    return config


def generations(config: Path, image: str = "head") -> list[int]:
    listed = json.loads(call(config, "image", "list", "--json").output)
    return [each["generation"] for each in listed if each["image"] == image]


def prune(config: Path, *words: str) -> Result:
    return call(config, "image", "prune", *words)


def test_a_dry_run_explains_each_generation_and_changes_nothing(config: Path) -> None:
    before = sorted((config.parent / "images").rglob("*"))
    output = prune(config, "--keep-last", "2", "--dry-run").output
    lines = [line.strip().split(maxsplit=2) for line in output.splitlines()]
    assert ["head@1", "delete", "no rule keeps it"] in lines
    assert ["head@3", "keep", "2 of the last 2"] in lines
    assert ["head@4", "keep", "the newest"] in lines
    assert output.splitlines()[-1].startswith("would delete 2 of 5 generations, remove ")
    assert generations(config) == [1, 2, 3, 4]
    assert sorted((config.parent / "images").rglob("*")) == before


def test_what_the_rules_do_not_keep_is_deleted_and_the_rest_is_whole(config: Path) -> None:
    result = prune(config, "--keep-last", "2")
    assert result.exit_code == 0, result.output
    assert "deleted 2 of 5 generations" in result.output
    assert generations(config) == [3, 4]
    assert generations(config, "primary") == [1]
    assert call(config, "image", "verify").exit_code == 0


def test_the_configuration_says_which_stay(config: Path) -> None:
    config.write_text(
        config.read_text()
        + "[retention]\nkeep_last = 3\nkeep_daily = 0\nkeep_weekly = 0\nkeep_monthly = 0\n"
    )
    prune(config)
    assert generations(config) == [2, 3, 4]
    prune(config, "--keep-daily", "1")  # what is typed counts alone
    assert generations(config) == [4]


def test_without_a_rule_nothing_is_deleted(config: Path) -> None:
    assert "deleted 0 of 5" in prune(config, "--keep-last", "0").output


def test_a_program_is_told_verdicts_packs_and_what_became_free(config: Path) -> None:
    planned = json.loads(prune(config, "--keep-last", "1", "--dry-run", "--json").output)
    assert planned["report"] is None
    done = json.loads(prune(config, "--keep-last", "1", "--json").stdout)
    assert done["generations"] == planned["generations"]
    assert done["report"]["deleted"] == 3
    assert done["report"]["freed_bytes"] == done["freed_bytes"] > 0


def test_a_generation_that_a_node_is_pinned_to_stays(config: Path) -> None:
    call(config, *ADD, "--image", "head", "--generation", "2")
    output = prune(config, "--keep-last", "1", "--dry-run").output
    assert "node standby is pinned to it" in output
    prune(config, "--keep-last", "1")
    assert generations(config) == [2, 4]


def test_a_generation_that_a_node_was_installed_from_stays(config: Path) -> None:
    call(config, *ADD, "--image", "head")
    site = Site(config)
    site.registry.change(
        "standby", lambda node: replace(node, ordered_generation=3, state=NodeState.INSTALLED)
    )
    assert protected(site) == {("head", 3): "node standby was installed from it"}
    prune(config, "--keep-last", "1")
    assert generations(config) == [3, 4]


def test_the_packs_of_a_node_that_installs_itself_are_in_use(config: Path) -> None:
    call(config, *ADD, "--image", "head")
    site = Site(config)
    in_use = packs_in_use(site, ChunkReader(site.repository.store))
    assert in_use() == frozenset()
    site.registry.change(
        "standby", lambda node: replace(node, ordered_generation=4, state=NodeState.INSTALLING)
    )
    assert len(in_use()) >= 2
    assert set(in_use()) < set(site.repository.store.pack_ids())


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("head@4", "head@4 cannot be dropped: the newest"),
        ("head@9", "there is no head@9"),
        ("head", "newest generation, which cannot be dropped"),
        ("head@x", "names no generation"),
    ],
)
def test_what_cannot_be_dropped_is_refused_with_a_hint(config: Path, named: str, said: str) -> None:
    error = prune(config, "--drop", named).exception
    assert isinstance(error, RepositoryError)
    assert said in str(error)
    assert error.hint
    assert generations(config) == [1, 2, 3, 4]


def test_a_named_generation_is_dropped_whatever_the_rules_keep(config: Path) -> None:
    assert prune(config, "--keep-last", "9", "--drop", "head@2").exit_code == 0
    assert generations(config) == [1, 3, 4]


def test_it_is_refused_while_somebody_captures(config: Path) -> None:
    with Site(config).repository.writer("other"):
        assert isinstance(prune(config).exception, BusyError)
        assert prune(config, "--dry-run").exit_code == 0
    assert prune(config).exit_code == 0


def test_days_begin_somewhere() -> None:
    assert local_zone() is not None
