"""What the agent does without an order, and how it ends when something fails."""

from __future__ import annotations

import io

import msgspec
import pytest

from haoscar_pxe.errors import HaoscarError, InstallError, PlanRefusedError
from haoscar_pxe.install.agent import NO_ORDER_ASKS, POWER_OFF, RESTART, ask_for_order, say_failure
from haoscar_pxe.install.report import Console, Reporter
from haoscar_pxe.install.server import Server, ServerRefusedError
from haoscar_pxe.nodes.order import InstallOrder, NodeEvent, Step
from tests.unit.install.machines import FastClock, order


def asked(refusals: int) -> tuple[InstallOrder | None, str]:
    """What comes of asking a server that refuses so many times, and what the console said."""
    left = ["not armed"] * refusals

    class Undecided(Server):
        def order(self, mac: str, patience_s: float) -> InstallOrder:
            if left:
                raise ServerRefusedError("/v1/order", 409, left.pop())
            return order()

    stream = io.StringIO()
    server = Undecided("http://nowhere", lambda reason: None, FastClock())
    return ask_for_order(server, "52:54:00:00:00:01", Console([stream])), stream.getvalue()


def test_a_node_that_is_armed_while_it_asks_gets_its_order() -> None:
    found, told = asked(NO_ORDER_ASKS - 1)
    assert found == order()
    assert told.count("No disk is touched") == NO_ORDER_ASKS - 1


def test_a_node_without_an_order_gives_up_and_has_said_why() -> None:
    found, told = asked(NO_ORDER_ASKS)
    assert found is None
    assert "not armed" in told


@pytest.mark.parametrize(
    "error", [HaoscarError("plain"), InstallError("x"), PlanRefusedError("y"), ValueError("z")]
)
def test_no_failure_restarts_the_machine_or_switches_it_off(error: Exception) -> None:
    assert say_failure(error, Console([io.StringIO()])) not in (RESTART, POWER_OFF)


def test_a_failure_is_told_with_every_reason_and_what_to_type() -> None:
    stream = io.StringIO()
    error = PlanRefusedError("not installed:\n    too small\n    read-only", hint="node set …")
    say_failure(error, Console([stream]))
    told = [line.partition("] ")[2] for line in stream.getvalue().splitlines()]
    assert told[:4] == [
        "failed: not installed:",
        "    too small",
        "    read-only",
        "hint: node set …",
    ]


def test_the_server_hears_of_a_failure_nobody_foresaw_with_its_traceback() -> None:
    heard: list[NodeEvent] = []

    class Hearing(Server):
        def send_event(self, token: str, body: bytes) -> None:
            heard.append(msgspec.json.decode(body, type=NodeEvent))

    console = Console([io.StringIO()])
    reporter = Reporter("52:54:00:00:00:01", Hearing("http://x", lambda reason: None), console)
    reporter.trust("token")
    try:
        raise ZeroDivisionError("nobody thought of it")
    except ZeroDivisionError as error:
        say_failure(error, console, reporter)
    (event,) = heard
    assert event.step is Step.FAILED
    assert event.message == "unexpected ZeroDivisionError: nobody thought of it"
    assert "test_agent.py" in event.detail
