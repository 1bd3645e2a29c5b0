"""A watch ends when the machine is installed, fails, is gone or is silent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from haoscar_pxe.nodes.declare import interface, new_node
from haoscar_pxe.nodes.order import NodeEvent, Step
from haoscar_pxe.nodes.registry import Registry
from haoscar_pxe.rehearse.watch import SILENCE_S, InstallationFailedError, NodeFailedError, Watch
from tests.unit.rehearse.recorded import Clock, RecordedNarrator

MAC = "52:54:00:00:00:20"


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    made = Registry(tmp_path / "registry.sqlite")
    interfaces = (interface(MAC, "10.77.0.20/24"),)
    made.add(new_node("standby", role="standby", image="primary", interfaces=interfaces))
    yield made
    made.close()


def report(registry: Registry, step: Step, **more: object) -> None:
    registry.record("standby", NodeEvent(mac=MAC, step=step, **more), 0)  # type: ignore[arg-type]


def watch(
    registry: Registry, narrator: RecordedNarrator, has_gone: Callable[[], str] = lambda: ""
) -> Watch:
    clock = Clock()
    return Watch(registry, "standby", narrator, has_gone, clock, clock.sleep)


def test_reports_are_told_until_it_is_installed(registry: Registry) -> None:
    narrator = RecordedNarrator()
    watching = watch(registry, narrator)
    report(registry, Step.STARTED, message="hello")
    watching.until_started()
    report(registry, Step.RESTORE, message="12 entries")
    report(registry, Step.RESTORE, percent=50.0, message="6 entries")
    report(registry, Step.INSTALLED)
    watching.until_installed()
    assert narrator.told == [
        "started: hello", "restore: 12 entries", "50 % restore: 6 entries", "installed",
    ]  # fmt: skip


def test_a_failure_ends_it_with_the_machines_own_words(registry: Registry) -> None:
    report(registry, Step.FAILED, message="the disk is too small", detail="plan:\n  2 GiB")
    with pytest.raises(NodeFailedError, match=r"the disk is too small\nplan:\n  2 GiB"):
        watch(registry, RecordedNarrator()).until_installed()


def test_silence_ends_it_and_names_the_last_report(registry: Registry) -> None:
    report(registry, Step.PARTITION, message="/dev/vda")
    watching = watch(registry, RecordedNarrator())
    with pytest.raises(InstallationFailedError, match=r"300 s; its last .*'partition': /dev/vda"):
        watching.until_installed()
    assert watching.clock() == pytest.approx(SILENCE_S, abs=1.0)


def test_a_report_breaks_the_silence(registry: Registry) -> None:
    narrator, clock = RecordedNarrator(), Clock()

    def sleep(seconds: float) -> None:
        clock.sleep(seconds)
        if clock.now % 200 == 0:
            report(registry, Step.INSTALLED if clock.now == 1000 else Step.RESTORE, percent=1.0)

    Watch(registry, "standby", narrator, lambda: "", clock, sleep).until_installed()
    assert clock.now == 1000


def test_a_machine_that_goes_off_too_early_is_not_waited_for(registry: Registry) -> None:
    watching = watch(registry, RecordedNarrator(), lambda: "the machine went off")
    with pytest.raises(InstallationFailedError, match="went off; standby never reported anything"):
        watching.until_started()
    assert watching.clock() == 0


def test_last_words_are_read_from_a_machine_that_is_gone(registry: Registry) -> None:
    report(registry, Step.INSTALLED)
    watch(registry, RecordedNarrator(), lambda: "the machine went off").until_installed()
