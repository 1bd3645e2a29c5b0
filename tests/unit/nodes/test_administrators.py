"""Who may use the API."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest

from haoscar_pxe.errors import NodeError
from haoscar_pxe.nodes.administrators import Administrators


@pytest.fixture
def administrators(tmp_path: Path) -> Iterator[Administrators]:
    with closing(Administrators(tmp_path / "registry.sqlite")) as made:
        yield made


def test_a_token_is_of_its_administrator_and_no_other_is(administrators: Administrators) -> None:
    first, second = administrators.add("alice"), administrators.add("bob")
    assert administrators.name_of(first) == "alice"
    assert administrators.name_of(second) == "bob"
    for wrong in (first[:-1], "", "\udcff", sha256(first.encode()).hexdigest()):
        assert administrators.name_of(wrong) is None


def test_only_the_hash_of_a_token_is_kept(administrators: Administrators, tmp_path: Path) -> None:
    token = administrators.add("alice")
    stored = b"".join(each.read_bytes() for each in tmp_path.iterdir())
    assert token.encode() not in stored
    assert sha256(token.encode()).digest() in stored


def test_a_token_that_was_taken_away_opens_nothing(administrators: Administrators) -> None:
    token = administrators.add("alice")
    administrators.remove("alice")
    assert administrators.name_of(token) is None
    assert administrators.all() == []


def test_a_name_is_given_once_and_removed_once(administrators: Administrators) -> None:
    administrators.add("alice")
    with pytest.raises(NodeError, match="already"):
        administrators.add("alice")
    with pytest.raises(NodeError, match="no administrator 'bob'"):
        administrators.remove("bob")
