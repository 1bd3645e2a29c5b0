"""A second site mirrors a first one, from its folder and from its running server."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import Result

from haoscar_pxe.cli.serve import boot_answers
from haoscar_pxe.cli.site import Site
from haoscar_pxe.errors import ConfigError, IntegrityError, RepositoryError, StaleError
from haoscar_pxe.image.delta_cache import DeltaCache
from haoscar_pxe.image.repository import Repository
from haoscar_pxe.image.store import StoreUnreachableError
from tests.unit.cli.captured_site import capture, make_captured
from tests.unit.cli.site_folder import call, make
from tests.unit.serve.loopback import Serving, serving


@pytest.fixture
def first(tmp_path: Path) -> tuple[Path, Path]:
    """A site with two images, and the tree of one of them."""
    (tmp_path / "first").mkdir()
    return make_captured(tmp_path / "first")


@pytest.fixture
def second(tmp_path: Path, first: tuple[Path, Path]) -> Path:
    """A site with an empty repository, which trusts the first one's key."""
    (tmp_path / "second").mkdir()
    config = make(tmp_path / "second")
    shutil.rmtree(config.parent / "images")
    Repository.create(config.parent / "images")
    trusted = call(config, "key", "trust", str(first[0].parent / "keys/signing.pub"))
    assert trusted.exit_code == 0, trusted.output
    return config


@pytest.fixture
async def server(first: tuple[Path, Path], tmp_path: Path) -> AsyncIterator[Serving]:
    """The first site, served."""
    with closing(DeltaCache(tmp_path / "deltas")) as deltas:
        deltas.open()
        async with serving(boot_answers(Site(first[0]), deltas)) as running:
            yield running


def packs(config: Path) -> set[str]:
    return set(Repository.open(config.parent / "images").store.pack_ids())


async def typed(config: Path, *words: str) -> Result:
    """The command, beside the server."""
    return await asyncio.to_thread(call, config, *words)


def token_file(first: Path, folder: Path) -> str:
    added = call(first, "mirror", "add", "second")
    assert added.exit_code == 0, added.output
    path = folder / "token"
    path.write_text(added.output.splitlines()[0] + "\n")
    return str(path)


def test_a_folder_is_mirrored_and_again_when_it_has_more(
    first: tuple[Path, Path], second: Path
) -> None:
    config, tree = first
    images = str(config.parent / "images")
    result = call(second, "sync", "--from", images)
    assert result.exit_code == 0, result.output
    assert "took head@1" in result.output
    (tree / "new").write_bytes(b"x" * 5000)
    capture(config, tree)
    result = call(second, "sync", "--from", images, "--json")
    assert json.loads(result.output)["taken"] == [["head", 2]]
    assert packs(second) == packs(config)
    assert call(second, "image", "verify").exit_code == 0


def test_a_key_that_is_not_trusted_here_is_refused(
    first: tuple[Path, Path], tmp_path: Path
) -> None:
    (tmp_path / "third").mkdir()
    third = make(tmp_path / "third")
    result = call(third, "sync", "--from", str(first[0].parent / "images"), "head")
    assert isinstance(result.exception, IntegrityError)


def test_an_image_that_was_captured_here_too_is_refused(
    first: tuple[Path, Path], tmp_path: Path
) -> None:
    (tmp_path / "third").mkdir()
    third = make(tmp_path / "third")
    result = call(third, "sync", "--from", str(first[0].parent / "images"), "primary")
    assert isinstance(result.exception, RepositoryError)
    assert "another generation" in str(result.exception)


async def test_a_server_is_mirrored_with_a_token(
    first: tuple[Path, Path], second: Path, server: Serving, tmp_path: Path
) -> None:
    token = await asyncio.to_thread(token_file, first[0], tmp_path)
    result = await typed(second, "sync", "--from", server.url, "--token-file", token)
    assert result.exit_code == 0, result.output
    assert packs(second) == packs(first[0])
    assert (await typed(second, "image", "verify")).exit_code == 0
    listed = await typed(first[0], "mirror", "list", "--json")
    assert json.loads(listed.output)[0]["seen_ns"] > 0


async def test_without_a_good_token_nothing_is_told(
    first: tuple[Path, Path], second: Path, server: Serving, tmp_path: Path
) -> None:
    no_token = await typed(second, "sync", "--from", server.url)
    assert isinstance(no_token.exception, ConfigError)
    token = await asyncio.to_thread(token_file, first[0], tmp_path)
    assert (await typed(first[0], "mirror", "remove", "second")).exit_code == 0
    removed = await typed(second, "sync", "--from", server.url, "--token-file", token)
    assert isinstance(removed.exception, StoreUnreachableError)
    assert packs(second) == set()


def test_status_says_as_of_when_a_mirror_holds_all(first: tuple[Path, Path], second: Path) -> None:
    images = str(first[0].parent / "images")
    assert "mirror" not in call(second, "status").output
    assert call(second, "sync", "--from", images).exit_code == 0
    result = call(second, "status")
    assert f"this is a mirror of {images}, complete as of 0 s ago" in result.output
    document = json.loads(call(second, "status", "--json").output)
    assert document["mirror"]["newest"] == {"head": 1, "primary": 1}
    stale = call(second, "status", "--max-age", "0")
    assert isinstance(stale.exception, StaleError)
    assert "the mirror is as of" in str(stale.exception)
