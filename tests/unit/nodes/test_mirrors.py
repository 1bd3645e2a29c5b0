"""Who may mirror."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from haoscar_pxe.errors import NodeError
from haoscar_pxe.nodes.mirrors import Mirrors


@pytest.fixture
def mirrors(tmp_path: Path) -> Iterator[Mirrors]:
    made = Mirrors(tmp_path / "registry.sqlite")
    yield made
    made.close()


def test_a_mirrors_token_is_known_and_no_other(mirrors: Mirrors) -> None:
    token = mirrors.add("second")
    assert mirrors.knows(token)
    assert not mirrors.knows(token[:-1])
    assert not mirrors.knows("")
    assert not mirrors.knows("\udcff")


def test_the_token_is_nowhere_in_the_file(mirrors: Mirrors, tmp_path: Path) -> None:
    token = mirrors.add("second").encode()
    assert all(token not in path.read_bytes() for path in tmp_path.iterdir())


def test_when_it_asked_last_is_noted(mirrors: Mirrors) -> None:
    token = mirrors.add("second")
    assert [(each.name, each.seen_ns) for each in mirrors.all()] == [("second", 0)]
    mirrors.knows(token)
    assert mirrors.all()[0].seen_ns > mirrors.all()[0].added_ns > 0


def test_a_removed_mirror_is_known_no_more(mirrors: Mirrors) -> None:
    token = mirrors.add("second")
    mirrors.remove("second")
    assert not mirrors.knows(token)
    with pytest.raises(NodeError, match="no mirror 'second'"):
        mirrors.remove("second")


def test_a_name_is_given_once(mirrors: Mirrors) -> None:
    token = mirrors.add("second")
    with pytest.raises(NodeError, match="already"):
        mirrors.add("second")
    with pytest.raises(NodeError, match="no host name"):
        mirrors.add("../second")
    assert mirrors.knows(token)


def test_only_a_twin_is_told_of_nodes(tmp_path: Path) -> None:
    with closing(Mirrors(tmp_path / "registry.sqlite")) as mirrors:
        plain, twin = mirrors.add("plain"), mirrors.add("twin", is_twin=True)
        assert (mirrors.is_twin(plain), mirrors.is_twin(twin), mirrors.is_twin("")) == (
            False,
            True,
            False,
        )
        assert mirrors.knows(twin)
        mirrors.remove("twin")
        assert not mirrors.is_twin(twin)
        assert not mirrors.is_twin(mirrors.add("twin")), "the name was a twin's before"
