"""`node show` draws a boot from what the server saw and what the node reported."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from haoscar_pxe.nodes.order import NodeEvent, Step
from haoscar_pxe.nodes.registry import Registry
from haoscar_pxe.nodes.timeline import Happening, Kind, TimelineFile
from tests.unit.cli.site_folder import call, make

S = 10**9
MAC = "52:54:00:00:00:20"


def seen(at_s: float, kind: Kind, message: str, size: int | None = None) -> Happening:
    return Happening(
        at_ns=int(at_s * S), kind=kind, message=message, size_bytes=size, took_s=0.5 if size else 0
    )


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A site whose node failed to install once, and is at it again."""
    path = make(tmp_path)
    call(path, "node", "add", "standby", "--mac", MAC, "--address", "10.77.0.20/24")
    timeline = TimelineFile(tmp_path / "state" / "timeline.sqlite")
    timeline.keep(
        ("standby", each)
        for each in (
            seen(0, "firmware asked", "DISCOVER -> OFFER 10.77.0.20 lpxelinux.0"),
            seen(100, "firmware asked", "DISCOVER -> OFFER 10.77.0.20 lpxelinux.0"),
            seen(101.5, "fetched", "'lpxelinux.0'", 1 << 20),
            seen(102, "decided", "install: standby is armed"),
        )
    )
    timeline.close()
    registry = Registry(tmp_path / "state" / "registry.sqlite")
    steps = [(9.0, Step.FAILED, None), (110.0, Step.RESTORE, 10.0), (111.0, Step.RESTORE, 40.0)]
    for at_s, step, percent in steps:
        detail = "why\nindeed" if step is Step.FAILED else ""
        event = NodeEvent(mac=MAC, step=step, percent=percent, message="m", detail=detail)
        registry.record("standby", event, int(at_s * S))
    registry.close()
    return path


def lines(config: Path, *words: str) -> list[str]:
    result = call(config, "node", "show", "standby", *words)
    assert result.exit_code == 0, result.output
    return [line.rstrip() for line in result.output.splitlines()]


def test_the_newest_boot_is_drawn_with_rates_and_how_far_it_is(config: Path) -> None:
    output = lines(config)
    start = next(at for at, line in enumerate(output) if line.startswith("boot of"))
    assert output[start].endswith("not done: restore (40 %) was the last step heard of")
    assert output[start + 1 : start + 5] == [
        "     +0.0 s  firmware asked  DISCOVER -> OFFER 10.77.0.20 lpxelinux.0",
        "     +1.5 s  fetched         'lpxelinux.0'  1.0 MiB at 2.0 MiB/s",
        "     +2.0 s  decided         install: standby is armed",
        "    +11.0 s  restore         [########------------]  40 %  m",
    ]
    assert output[-1] == "1 earlier boots: --boots 2"


def test_earlier_boots_are_drawn_with_their_details_and_none_when_none_is_wanted(
    config: Path,
) -> None:
    output = "\n".join(lines(config, "--boots", "9"))
    assert output.count("boot of") == 2
    assert "failed: m" in output
    assert f"m\n{' ' * 28}why\n{' ' * 28}indeed" in output
    assert "boot of" not in "\n".join(lines(config, "--boots", "0"))


def test_programs_are_told_everything(config: Path) -> None:
    document = json.loads(call(config, "node", "show", "standby", "--json").output)
    assert len(document["happenings"]) == 4
    assert document["happenings"][2]["size_bytes"] == 1 << 20
    assert [each["step"] for each in document["events"]] == ["failed", "restore", "restore"]


def test_a_node_that_is_forgotten_leaves_no_boots_to_the_next_of_its_name(config: Path) -> None:
    assert call(config, "node", "remove", "standby").exit_code == 0
    call(config, "node", "add", "standby", "--mac", MAC, "--address", "10.77.0.20/24")
    assert "boot of" not in "\n".join(lines(config))
