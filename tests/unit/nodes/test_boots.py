"""A node's boots are told apart, and each says how it ended."""

from __future__ import annotations

from haoscar_pxe.nodes.boots import PAUSE_NS, boots_of
from haoscar_pxe.nodes.order import NodeEvent, Step
from haoscar_pxe.nodes.registry import RecordedEvent
from haoscar_pxe.nodes.timeline import Happening, Kind

S = 10**9


def seen(at_s: float, kind: Kind, message: str = "") -> Happening:
    return Happening(at_ns=int(at_s * S), kind=kind, message=message)


def told(at_s: float, step: Step, message: str = "", percent: float | None = None) -> RecordedEvent:
    event = NodeEvent(mac="52:54:00:00:00:01", step=step, message=message, percent=percent)
    return RecordedEvent(0, int(at_s * S), event)


INSTALLING = [
    seen(0, "firmware asked", "DISCOVER -> OFFER"),
    seen(0.1, "firmware asked", "REQUEST -> ACK"),
    seen(0.5, "fetched", "'snponly.efi'"),
    seen(1, "iPXE asked", "DISCOVER -> OFFER"),
    seen(1.5, "decided", "install: n is armed"),
    seen(2, "fetched", "'vmlinuz'"),
]


def test_what_was_seen_and_what_was_reported_is_one_boot_in_order_of_time() -> None:
    reported = [told(9, Step.STARTED), told(60, Step.INSTALLED, "in 51 s")]
    (boot,) = boots_of([*INSTALLING, seen(10, "fetched", "order")], reported)
    assert [each.what for each in boot.moments][-4:] == [
        "fetched",
        "started",
        "fetched",
        "installed",
    ]
    assert boot.outcome == "installed: in 51 s"


def test_the_boot_after_the_installation_is_another_one() -> None:
    again = [
        seen(70, "firmware asked", "DISCOVER -> OFFER"),
        seen(71, "decided", "local disk: n is installed"),
    ]
    first, second = boots_of([*INSTALLING, *again], [told(60, Step.INSTALLED)])
    assert first.outcome == "installed"
    assert len(second.moments) == 2
    assert second.outcome == "local disk: n is installed"


def test_firmware_that_asks_again_and_again_boots_once() -> None:
    asking = [seen(at, "firmware asked", "DISCOVER -> OFFER") for at in (0, 4, 12, 28)]
    (boot,) = boots_of(asking, [])
    assert boot.outcome == "not done: the last thing was 'firmware asked DISCOVER -> OFFER'"


def test_ipxe_that_is_the_firmware_begins_a_boot_after_a_pause() -> None:
    pause_s = PAUSE_NS / S
    asking = [seen(at, "iPXE asked") for at in (0, 1, pause_s + 2, pause_s + 3)]
    assert [len(each.moments) for each in boots_of(asking, [])] == [2, 2]


def test_an_installation_that_stopped_says_where() -> None:
    reported = [told(9, Step.STARTED), told(30, Step.RESTORE, percent=42.0)]
    (boot,) = boots_of(INSTALLING, reported)
    assert boot.outcome == "not done: restore (42 %) was the last step heard of"
    (failed,) = boots_of(INSTALLING, [*reported, told(31, Step.FAILED, "no disk fits")])
    assert failed.outcome == "failed: no disk fits"


def test_an_installer_that_never_reported_is_not_done() -> None:
    (boot,) = boots_of(INSTALLING, [])
    assert boot.outcome == "not done: the last thing was 'fetched 'vmlinuz''"


def test_nothing_known_is_no_boot() -> None:
    assert boots_of([], []) == []
