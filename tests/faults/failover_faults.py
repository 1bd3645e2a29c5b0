"""The faults of the failover campaign: each is done to the active head or around it, and undone."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final, Literal, TypeAlias

from haoscar_pxe.command import run
from haoscar_pxe.errors import CommandError
from haoscar_pxe.monitor.talk import ask
from tests.faults.three_hosts import HEARTBEATS, HOSTS, MEMBERS, Ground, Host
from tests.wire.namespaces import Namespace

TOP: Final = Path(__file__).parents[2]
KEEPER: Final = "haoscar_pxe.monitor"
PORT: Final = 8070

Outcome: TypeAlias = Literal["moves", "stays", "either", "ends"]


@dataclass(frozen=True)
class Scene:
    """The ground, and who is who before the fault."""

    ground: Ground
    active: Host
    other: Host
    witness: Host
    random: Random


@dataclass(frozen=True)
class Fault:
    """outcome: whether the other head must become active, must not, or may; "ends": nobody can be
    active, so the address must fall silent.

    do: begins the fault. undo: ends it; nothing may be left of it. lasts_s: how long it is looked
    at, and at most that plus spread_s.
    """

    name: str
    outcome: Outcome
    do: Callable[[Scene], None]
    undo: Callable[[Scene], None]
    lasts_s: float = 1.5
    spread_s: float = 0.0


def nothing(_scene: Scene) -> None:
    """Nothing to undo."""


def host_dies(scene: Scene) -> None:
    scene.active.die()


def host_reboots(scene: Scene) -> None:
    scene.active.reboot()


def processes_die(scene: Scene) -> None:
    """All of them, while the kernel lives: it still has the addresses."""
    scene.active.signal(signal.SIGKILL)
    assert scene.active.process is not None
    scene.active.process.wait()


def monitor_starts(scene: Scene) -> None:
    scene.active.start()


def keeper_dies(scene: Scene) -> None:
    scene.active.signal(signal.SIGKILL, only=KEEPER)


def keeper_freezes(scene: Scene) -> None:
    scene.active.signal(signal.SIGSTOP, only=KEEPER)


def all_freezes(scene: Scene) -> None:
    scene.active.signal(signal.SIGSTOP)


def all_thaws(scene: Scene) -> None:
    scene.active.signal(signal.SIGCONT)


def cables_out(scene: Scene) -> None:
    for network in (0, 1):
        scene.active.cut(network, is_cut=True)


def public_cable_out(scene: Scene) -> None:
    scene.active.cut(0, is_cut=True)


def heartbeat_cable_out(scene: Scene) -> None:
    scene.active.cut(1, is_cut=True)


def cables_in(scene: Scene) -> None:
    for host in scene.ground.hosts.values():
        for network in (0, 1):
            host.cut(network, is_cut=False)


def other_dies(scene: Scene) -> None:
    scene.other.die()


def other_reboots(scene: Scene) -> None:
    scene.other.reboot()


def witness_dies(scene: Scene) -> None:
    scene.witness.die()


def witness_reboots(scene: Scene) -> None:
    scene.witness.reboot()


def ruleset_flushed(scene: Scene) -> None:
    scene.active.namespace.run("nft", "flush", "ruleset")


def half_deaf(scene: Scene) -> None:
    """The active head does not hear heartbeats, and is heard."""
    _drop(scene.active, f"udp dport {PORT} drop")


def half_dumb(scene: Scene) -> None:
    """The active head hears heartbeats, and is not heard."""
    _drop(scene.active, f"udp sport {PORT} drop", hook="output")


def heads_apart(scene: Scene) -> None:
    """The two heads do not hear each other; both hear the witness."""
    for host, other in ((scene.active, scene.other), (scene.other, scene.active)):
        v4, v6 = (before + str(HOSTS[other.name]) for before in HEARTBEATS)
        _drop(host, f"ip saddr {v4} udp dport {PORT} drop; ip6 saddr {v6} udp dport {PORT} drop")


def some_lost(scene: Scene) -> None:
    """A hundredth of all heartbeats, everywhere."""
    for host in scene.ground.hosts.values():
        _drop(host, f"numgen random mod 100 < 1 udp dport {PORT} drop")


def most_lost(scene: Scene) -> None:
    """Seven of ten heartbeats, everywhere."""
    for host in scene.ground.hosts.values():
        _drop(host, f"numgen random mod 10 < 7 udp dport {PORT} drop")


def nothing_lost(scene: Scene) -> None:
    for name in MEMBERS:
        scene.ground.hosts[name].namespace.finishes("nft", "delete", "table", "inet", "weather")


def moved(scene: Scene) -> None:
    """A planned switchover, asked for on the active head."""
    ask(scene.active.folder / "state", "move", "the campaign asks for it")


def disk_full_and_host_dies(scene: Scene) -> None:
    """The other head takes over with a full disk."""
    fill = scene.other.folder / "state" / "fill"
    with suppress(OSError), fill.open("wb") as file:
        while True:
            file.write(bytes(65536))
            file.flush()
    scene.active.die()


def disk_free_and_host_reboots(scene: Scene) -> None:
    (scene.other.folder / "state" / "fill").unlink()
    scene.active.reboot()


def processor_taken(scene: Scene) -> None:
    """Twice as much work as there are processors, beside the active head's monitor."""
    for _ in range(4):
        scene.ground.background.append(
            scene.active.namespace.start("sh", "-c", "while :; do :; done")
        )


def processor_free(scene: Scene) -> None:
    for process in scene.ground.background:
        process.kill()
        process.wait()
    scene.ground.background.clear()


def replayed(scene: Scene) -> None:
    """Somebody in the switch plays all heartbeats again, late, out of order, half of them changed.

    Beside that every real one is lost for a while, so that the old ones are all that is heard.
    """
    switch = Namespace(scene.active.switch, "net0")
    ports = [f"{name}0" for name in MEMBERS]
    argv = [sys.executable, "-m", "tests.faults.replayer", *ports]
    scene.ground.background.append(subprocess.Popen(switch.argv(argv), cwd=TOP))


def replayed_to_a_lone_head(scene: Scene) -> None:
    """The same, and then the active head hears nothing but what was said before."""
    replayed(scene)
    time.sleep(1)
    for network in (0, 1):
        for host in (scene.other, scene.witness):
            host.cut(network, is_cut=True)


def replayer_gone(scene: Scene) -> None:
    processor_free(scene)
    cables_in(scene)


def _drop(host: Host, rule: str, hook: str = "input") -> None:
    script = (
        "table inet weather\ndelete table inet weather\ntable inet weather {\n"
        f"chain rain {{ type filter hook {hook} priority 0; {rule}; }}\n}}\n"
    )
    host.namespace.run("nft", "-f", "-", stdin=script.encode())


FAULTS: Final = (
    Fault("the host dies", "moves", host_dies, host_reboots),
    Fault("all its processes are killed", "moves", processes_die, monitor_starts),
    Fault("its keeper is killed", "moves", keeper_dies, nothing),
    Fault("its keeper freezes shortly", "either", keeper_freezes, all_thaws, 0.3, 0.5),
    Fault("its keeper freezes", "moves", keeper_freezes, all_thaws, 1.0, 2.0),
    Fault("everything on it freezes shortly", "either", all_freezes, all_thaws, 0.3, 0.5),
    Fault("everything on it freezes", "moves", all_freezes, all_thaws, 1.0, 4.0),
    Fault("it is cut off from all", "moves", cables_out, cables_in),
    Fault("its public cable is pulled", "moves", public_cable_out, cables_in),
    Fault("its heartbeat cable is pulled", "stays", heartbeat_cable_out, cables_in),
    Fault("the other head dies", "stays", other_dies, other_reboots),
    Fault("the witness dies", "stays", witness_dies, witness_reboots),
    Fault("its ruleset is flushed", "moves", ruleset_flushed, nothing),
    Fault("it hears nobody", "moves", half_deaf, nothing_lost),
    Fault("nobody hears it", "moves", half_dumb, nothing_lost),
    Fault("the heads do not hear each other", "stays", heads_apart, nothing_lost),
    Fault("1 of 100 heartbeats is lost", "stays", some_lost, nothing_lost, 2.0),
    Fault("7 of 10 heartbeats are lost", "either", most_lost, nothing_lost, 3.0),
    Fault("it is moved as planned", "moves", moved, nothing),
    Fault(
        "it dies and the other's disk is full",
        "moves",
        disk_full_and_host_dies,
        disk_free_and_host_reboots,
    ),
    Fault("heartbeats are played again", "stays", replayed, replayer_gone, 3.0),
    Fault("it hears old heartbeats alone", "ends", replayed_to_a_lone_head, replayer_gone, 1.5),
    Fault("the processors have twice the work", "stays", processor_taken, processor_free, 2.0),
)


def mounted_small(host: Host) -> None:
    """Give a host a small disk of its own for its state."""
    state = host.folder / "state"
    state.mkdir()
    run(["mount", "-t", "tmpfs", "-o", "size=4m,mode=0700", "tmpfs", str(state)])


def unmounted(host: Host) -> None:
    """Take it away again, whoever still uses it."""
    with suppress(CommandError):
        run(["umount", "--lazy", str(host.folder / "state")])
