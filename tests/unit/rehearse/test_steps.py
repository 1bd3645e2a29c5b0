"""Steps are told and timed; one that fails is not counted as done."""

from __future__ import annotations

import pytest

from haoscar_pxe.rehearse.steps import Steps, TimedStep
from tests.unit.rehearse.recorded import Clock, RecordedNarrator


def test_a_step_is_told_and_timed() -> None:
    narrator, clock = RecordedNarrator(), Clock()
    steps = Steps(narrator, clock)
    with steps.step("install"):
        narrator.detail("restore")
        clock.sleep(30.0)
    assert narrator.told == ["begin install", "restore", "done install 30"]
    assert steps.timed == [TimedStep("install", 30.0)]


def test_a_step_that_fails_is_not_done() -> None:
    narrator = RecordedNarrator()
    steps = Steps(narrator, Clock())
    with pytest.raises(KeyError), steps.step("install"):
        raise KeyError
    assert narrator.told == ["begin install"]
    assert steps.timed == []
