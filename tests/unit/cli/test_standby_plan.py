"""What a standby's command says before it does anything."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from haoscar_pxe.cli.standby_plan import plan_document, plan_lines, text_diff
from haoscar_pxe.install.sync.running import Prepared
from haoscar_pxe.nodes.standby import SyncOrder
from tests.unit.image.awkward import needs_root
from tests.unit.install.sync.standbys import IDENTITY, Site


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = Site(tmp_path)
    (made.head / "etc").mkdir(parents=True)
    for name in ("hostname", "motd", "gone", "kept"):
        (made.head / "etc" / name).write_text("one\n")
    made.install(made.capture())
    return made


def prepared(site: Site) -> Prepared:
    """A plan for what the head is now; a file was changed on the standby."""
    first = site.repository.manifest("primary", 1, site.trusted)
    (site.tree / "etc/kept").write_text("changed here\n")
    (site.head / "etc/motd").write_text("two\n")
    (site.head / "etc/gone").unlink()
    second = site.capture()
    order = SyncOrder(
        node="standby", image="primary", generation=2, manifest_id=second.id, identity=IDENTITY
    )
    goal, before = site.goal(second), site.before(first, since_ns=0)
    return Prepared(order, b"", goal, before, site.plan(first, second, since_ns=0), 0)


@needs_root
def test_the_plan_counts_and_names_what_it_undoes(site: Site) -> None:
    lines = "\n".join(plan_lines(prepared(site), names_all=False))
    assert "standby, generation 1, becomes primary generation 2:" in lines
    assert "2 replaced" in lines
    assert "1 removed" in lines
    assert "undo what was changed on this machine" in lines
    assert "/etc/kept" in lines
    assert "/etc/motd" not in lines


@needs_root
def test_a_diff_names_every_path_and_shows_text(site: Site) -> None:
    made = prepared(site)
    assert "/etc/motd" in "\n".join(plan_lines(made, names_all=True))
    shown = list(text_diff(made.plan, made.goal, site.tree))
    assert "-one" in shown
    assert "+two" in shown
    assert "-changed here" in shown


@needs_root
def test_programs_get_every_change(site: Site) -> None:
    document = json.loads(msgspec.json.encode(plan_document(prepared(site))))
    changes = {each["path"]: each for each in document["changes"]}
    assert (document["from"], document["to"]) == (1, 2)
    assert changes["/etc/gone"] == {"path": "/etc/gone", "change": "remove", "is_local": False}
    assert changes["/etc/kept"]["is_local"] is True


@needs_root
def test_nothing_to_do_is_said_in_one_line(site: Site) -> None:
    first = site.repository.manifest("primary", 1, site.trusted)
    order = SyncOrder(
        node="standby", image="primary", generation=1, manifest_id=first.id, identity=IDENTITY
    )
    made = Prepared(order, b"", site.goal(first), site.before(first), site.plan(first, first), 0)
    assert list(plan_lines(made, names_all=True)) == [
        "standby is as primary generation 1 says; nothing is to be done"
    ]
