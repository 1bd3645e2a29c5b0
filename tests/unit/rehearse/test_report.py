"""The report says at its end, in one sentence, whether all of it held."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from haoscar_pxe.rehearse.probe import ProbeResult
from haoscar_pxe.rehearse.report import RehearsalReport, summary
from haoscar_pxe.rehearse.steps import TimedStep

GOOD = RehearsalReport(
    node="standby",
    image="primary",
    generation=3,
    accelerator="tcg",
    steps=(TimedStep("install", 30.5), TimedStep("probe", 1.0)),
    compared=12267,
    declared=(("etc/hostname", "its own name"),),
    differences=(),
    probes=(ProbeResult("it answers", True, "pong", 0.2),),
    folder="/tmp/rehearsal",
)
SILENT = ProbeResult("it answers", False, "no echo reply", 300.0)


def test_all_held() -> None:
    assert GOOD.ok
    assert summary(GOOD)[-1].startswith("standby boots from the network")


@pytest.mark.parametrize(
    "bad", [replace(GOOD, probes=(SILENT,)), replace(GOOD, differences=("etc/x: mode",))]
)
def test_one_thing_that_does_not_hold_spoils_it(bad: RehearsalReport) -> None:
    assert not bad.ok
    lines = summary(bad)
    assert "NOT" in lines[-1]
    assert any(line.startswith("FAILED") for line in lines)
    assert "/tmp/rehearsal" in lines[-1]


def test_every_difference_is_listed() -> None:
    lines = summary(replace(GOOD, differences=("etc/x: mode", "etc/y: owner")))
    assert "    etc/x: mode" in lines
    assert "    etc/y: owner" in lines


def test_programs_can_read_it() -> None:
    assert msgspec.json.decode(msgspec.json.encode(GOOD))["probes"][0]["seen"] == "pong"


def test_all_steps_are_added_up_those_before_too() -> None:
    assert "   31.5 s  in all" in summary(GOOD)
    assert summary(GOOD, [TimedStep("capture", 8.5)])[:4] == [
        "    8.5 s  capture",
        "   30.5 s  install",
        "    1.0 s  probe",
        "   40.0 s  in all",
    ]
