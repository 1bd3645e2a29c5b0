"""The agent that the initramfs starts: from power-on to a reboot, and what is said when it fails.

It ends with the exit status that `init` understands (docs/agent-bundle.md): 0 restarts the
machine, 10 switches it off, anything else leaves it as it is, with the reason on the console.
It never begins to install a second time by itself: after a failure a person looks first.
"""

from __future__ import annotations

import contextlib
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TextIO

from haoscar_pxe.command import run
from haoscar_pxe.errors import HaoscarError
from haoscar_pxe.image.signing import TrustedKeys
from haoscar_pxe.install import early, early_network, machine
from haoscar_pxe.install.early import BootParameters
from haoscar_pxe.install.report import Console, Reporter
from haoscar_pxe.install.server import Server, ServerRefusedError
from haoscar_pxe.install.steps import TRUSTED_KEYS, Surroundings, install
from haoscar_pxe.nodes.order import InstallOrder, Step

RESTART: Final = 0
POWER_OFF: Final = 10
UNEXPECTED: Final = 1
ORDER_PATIENCE_S: Final = 3600.0
"""Before there is an order to say it: a server that reboots takes minutes, not hours."""
NO_ORDER_ASKS: Final = 8
NO_ORDER_PAUSE_S: Final = 15.0
LAST_EVENT_PATIENCE_S: Final = 60.0
"""For a failure: the machine stays as it is anyway, with the reason on its console."""


def main() -> int:
    """Install this machine as the server orders, and say how init shall end it."""
    with _consoles() as streams:
        console = Console(streams)
        try:
            parameters = early.read_boot_parameters()
            server = Server(parameters.server, console.say)
            reporter = Reporter(parameters.mac, server, console)
            return _installed(parameters, server, reporter, console)
        except Exception as error:
            return _say_failure(error, None, console)


def _installed(
    parameters: BootParameters, server: Server, reporter: Reporter, console: Console
) -> int:
    try:
        order = _reach_order(parameters, server, reporter, console)
        if order is None:
            return RESTART
        return _obey(order, server, reporter)
    except Exception as error:
        # The one boundary of this process, as cli/main.py is elsewhere: all ends up in words.
        return _say_failure(error, reporter, console)


def _reach_order(
    parameters: BootParameters, server: Server, reporter: Reporter, console: Console
) -> InstallOrder | None:
    """Network, then the order; None when this machine is to start again without one."""
    reporter.say(Step.STARTED, f"booted by {parameters.server} as {parameters.mac}")
    nic = early_network.bring_up_network(parameters)
    reporter.say(Step.NETWORK, f"{nic} has {parameters.address}")
    for asked in range(NO_ORDER_ASKS):
        try:
            order = server.order(parameters.mac, ORDER_PATIENCE_S)
        except ServerRefusedError as error:
            console.say(f"{error}\nNo disk is touched.")
            if asked + 1 < NO_ORDER_ASKS:
                time.sleep(NO_ORDER_PAUSE_S)
            continue
        reporter.trust(order.token)
        reporter.say(Step.ORDER, f"become {order.node}: {order.image} {order.generation}")
        return order
    console.say("There is no order for this machine: it starts again, to boot what it is told.")
    return None


def _obey(order: InstallOrder, server: Server, reporter: Reporter) -> int:
    if order.shell_on_failure:
        early.SHELL_ALLOWED.touch()
    early.wait_for_disks()
    around = Surroundings(
        server=server,
        reporter=reporter,
        run=run,
        disks=lambda: machine.read_disks(run),
        trusted=TrustedKeys.from_folder(TRUSTED_KEYS),
    )
    made = install(order, around)
    ends = "restarts" if order.after == "reboot" else "switches itself off"
    reporter.say(Step.INSTALLED, f"{order.node} is on {made.disk.path}; the machine {ends}")
    reporter.flush(order.patience_s)
    return RESTART if order.after == "reboot" else POWER_OFF


def _say_failure(error: Exception, reporter: Reporter | None, console: Console) -> int:
    """Say why it cannot go on, here and to the server, and give init's exit status."""
    if isinstance(error, HaoscarError):
        message, hint, detail = str(error), error.hint, ""
        status = error.exit_status if error.exit_status != POWER_OFF else UNEXPECTED
    else:
        message, hint = f"unexpected {type(error).__name__}: {error}", ""
        detail = "".join(traceback.format_exception(error))
        status = UNEXPECTED
    told = f"{message}\nhint: {hint}" if hint else message
    if reporter is None:
        console.say(f"{Step.FAILED.value}: {told}\n{detail}")
        return status
    first, _, more = told.partition("\n")
    reporter.say(Step.FAILED, first, "\n".join(filter(None, [more, detail])))
    reporter.flush(LAST_EVENT_PATIENCE_S)
    return status


@contextmanager
def _consoles() -> Iterator[list[TextIO]]:
    """All terminals that the kernel writes to, or what this process was given."""
    with contextlib.ExitStack() as opened:
        streams: list[TextIO] = []
        for path in early.consoles():
            with contextlib.suppress(OSError):
                streams.append(opened.enter_context(Path(path).open("w", errors="replace")))
        yield streams or [sys.stdout]
