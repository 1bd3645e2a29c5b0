"""The agent that the initramfs starts: from power-on to a reboot, and what is said when it fails.

It ends with the exit status that `init` understands (docs/agent-bundle.md): 0 restarts the
machine, 10 switches it off, anything else leaves it as it is, with the reason on the console.
It never begins to install a second time by itself: after a failure a person looks first.
"""

from __future__ import annotations

import contextlib
import sys
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
from haoscar_pxe.install.sync import finisher
from haoscar_pxe.nodes.order import InstallOrder, Step

COMMAND_LINE: Final = Path("/proc/cmdline")
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
        if uuid := finisher.boot_uuid(COMMAND_LINE.read_text(errors="replace")):
            return _finish(uuid, console)
        try:
            parameters = early.read_boot_parameters()
        except HaoscarError as error:
            return say_failure(error, console)
        server = Server(parameters.server, console.say, other_url=parameters.twin)
        reporter = Reporter(parameters.mac, server, console)
        try:
            return _follow(parameters, server, reporter, console)
        except Exception as error:
            # The one boundary of this process, as cli/main.py is elsewhere: all ends up in words.
            return say_failure(error, console, reporter)


def _finish(uuid: str, console: Console) -> int:
    """Finish a sync that was cut off, and start again; a machine half changed stays as it is."""
    try:
        finisher.finish_after_power_cut(uuid, console)
    except Exception as error:
        return say_failure(error, console)
    return RESTART


def _follow(
    parameters: BootParameters, server: Server, reporter: Reporter, console: Console
) -> int:
    """Network, order, installation; init's exit status."""
    reporter.say(Step.STARTED, f"booted by {parameters.server} as {parameters.mac}")
    nic = early_network.bring_up_network(parameters)
    reporter.say(Step.NETWORK, f"{nic} has {parameters.address}")
    order = ask_for_order(server, parameters.mac, console)
    if order is None:
        console.say("There is no order for this machine: it starts again, to boot what it is told.")
        return RESTART
    reporter.trust(order.token)
    reporter.say(Step.ORDER, f"become {order.node}: {order.image} generation {order.generation}")
    return _obey(order, server, reporter, parameters.mac)


def ask_for_order(server: Server, mac: str, console: Console) -> InstallOrder | None:
    """The order of this machine; None if it has none after being asked a few times.

    Somebody may be arming the node just now, so a refusal is not the last word at once.
    Raises ServerGoneError, or InstallError when the answer is no order.
    """
    for asked in range(NO_ORDER_ASKS):
        if asked:
            server.clock.sleep(NO_ORDER_PAUSE_S)
        try:
            return server.order(mac, ORDER_PATIENCE_S)
        except ServerRefusedError as error:
            console.say(f"{error}\nNo disk is touched.")
    return None


def _obey(order: InstallOrder, server: Server, reporter: Reporter, mac: str) -> int:
    if order.shell_on_failure:
        early.SHELL_ALLOWED.touch()
    early.wait_for_disks()
    around = Surroundings(
        server=server,
        reporter=reporter,
        run=run,
        firmware=machine.firmware(),
        disks=lambda: machine.read_disks(run),
        trusted=TrustedKeys.from_folder(TRUSTED_KEYS),
        mac=mac,
    )
    made = install(order, around)
    ends = "restarts" if order.after == "reboot" else "switches itself off"
    reporter.say(Step.INSTALLED, f"{order.node} is on {made.disk.path}; the machine {ends}")
    reporter.flush(order.patience_s)
    return RESTART if order.after == "reboot" else POWER_OFF


def say_failure(error: Exception, console: Console, reporter: Reporter | None = None) -> int:
    """Say why it cannot go on, here and to the server, and give init's exit status.

    An error that nobody foresaw is told with its traceback: it is the only trace of it.
    """
    lines = [*_in_words(error), "Nothing more is done here, until this machine is started again."]
    if reporter is None:
        console.say("\n".join([f"{Step.FAILED.value}: {lines[0]}", *lines[1:]]))
    else:
        reporter.say(Step.FAILED, lines[0], "\n".join(lines[1:]))
        reporter.flush(LAST_EVENT_PATIENCE_S)
    status = error.exit_status if isinstance(error, HaoscarError) else UNEXPECTED
    return UNEXPECTED if status in (RESTART, POWER_OFF) else status


def _in_words(error: Exception) -> list[str]:
    if not isinstance(error, HaoscarError):
        trace = "".join(traceback.format_exception(error)).splitlines()
        return [f"unexpected {type(error).__name__}: {error}", *trace]
    hint = [f"hint: {error.hint}"] if error.hint else []
    return [*str(error).splitlines(), *hint]


@contextmanager
def _consoles() -> Iterator[list[TextIO]]:
    """All terminals that the kernel writes to, or what this process was given."""
    with contextlib.ExitStack() as opened:
        streams: list[TextIO] = []
        for path in early.consoles():
            with contextlib.suppress(OSError):
                streams.append(opened.enter_context(Path(path).open("w", errors="replace")))
        yield streams or [sys.stdout]
