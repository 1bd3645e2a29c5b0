"""The boot server in a storm: datagrams at random by the hundred thousand, honest clients between.

What must hold: every honest client is served, with the right address and the right bytes; nothing
escapes to the server's boundary; what invented machines use up is bounded and is theirs alone; and
afterwards the server has the memory and the descriptors that it had before.
"""

from __future__ import annotations

import sys
import time
from contextlib import closing
from ipaddress import IPv4Address
from pathlib import Path
from random import Random
from typing import Final

import msgspec

from haoscar_pxe.boot.firmware_files import firmware_files
from haoscar_pxe.boot.sightings import MOST
from haoscar_pxe.nodes.declare import interface, new_node
from haoscar_pxe.nodes.leases import LeaseFile
from haoscar_pxe.nodes.node import NodeState
from haoscar_pxe.nodes.registry import Registry
from haoscar_pxe.nodes.strangers import StrangerFile
from tests.faults.amounts import Amounts
from tests.faults.server_load import Order, Outcome
from tests.faults.serving import CHECKOUT, Serving, serving
from tests.faults.tally import Tally
from tests.unit.cli import site_folder
from tests.wire.namespaces import Link, link

NODES: Final = 100
NETWORK: Final = IPv4Address("10.77.0.0")
POOL: Final = [str(NETWORK + last) for last in range(130, 250)]
LEASES: Final = 60
"""Taken by machines that choose what they are offered; all fight for the rest."""
MOST_STORM_S: Final = 3600.0
SETTLED_S: Final = 40.0
MORE_DESCRIPTORS: Final = 3
"""Transfers that the short form does not wait for until they are given up."""
MANY: Final = 100_000
STRANGERS_BYTES: Final = 64 << 20
"""What the invented machines may cost: places for 16,384 at about 1 KB each, twice over at most."""
MORE_BYTES: Final = 16 << 20
WARMING: Final = 1_000
FILES: Final = ("lpxelinux.0", "pxelinux.0", "libutil.c32")
BROKEN: Final = ("Traceback", "cannot be answered")


def server(folder: Path, random: Random, amounts: Amounts) -> Tally:
    """First invented machines, then damaged datagrams, against one server."""
    tally = Tally("server")
    config, nodes = _site(folder)
    with link() as wire:
        wire.client.run("sysctl", "-qw", "net.ipv4.icmp_ratelimit=0")
        with serving(wire.server, config, folder / "serve.log") as running:
            scene = _Scene(wire, running, nodes, random, tally)
            scene.more = 0 if amounts.datagrams >= MANY else MORE_DESCRIPTORS
            scene.storms(amounts)
            _look_at_disk(folder / "state", tally)
            status = running.stop()
            tally.expect(status == 0, f"the server ended with {status}")
    _read_log(folder / "serve.log", tally)
    return tally


class _Scene:
    def __init__(
        self,
        wire: Link,
        running: Serving,
        nodes: list[tuple[str, str]],
        random: Random,
        tally: Tally,
    ) -> None:
        self._wire = wire
        self._running = running
        self._nodes = nodes
        self._random = random
        self._tally = tally
        self.more = MORE_DESCRIPTORS

    def storms(self, amounts: Amounts) -> None:
        """Memory is compared once all that is bounded was filled to its bound."""
        idle = self._running.descriptors()
        self._load(WARMING, [], "while it warms up", LEASES)
        began = self._settled(idle)
        self._load(2 * amounts.strangers, POOL, "of invented machines")
        filled = self._settled(idle)
        self._load(amounts.datagrams, [], "damaged or random")
        after = self._settled(idle)
        self._compare(began, filled, after)
        descriptors = after[1]
        self._tally.expect(
            descriptors <= idle + self.more, f"descriptors are left: {idle}, {descriptors}"
        )

    def _load(self, datagrams: int, pool: list[str], what: str, leases: int = 0) -> None:
        files = [(name, str(path)) for name, path in firmware_files().items() if name in FILES]
        order = Order(
            seed=str(self._random.random()),
            datagrams=datagrams,
            nodes=self._nodes,
            files=files,
            pool=pool,
            leases=leases,
        )
        began, used = time.monotonic(), self._running.processor_s()
        argv = [sys.executable, "-m", "tests.faults.server_load"]
        argv = ["env", f"PYTHONPATH={CHECKOUT}", *argv]
        finished = self._wire.client.run(
            *argv, stdin=msgspec.json.encode(order), timeout_s=MOST_STORM_S
        )
        outcome = msgspec.json.decode(finished.stdout, type=Outcome)
        self._count(outcome, what)
        self._tally.count(f"seconds for those {what}", round(time.monotonic() - began))
        cost = (self._running.processor_s() - used) / outcome.hostile
        self._tally.count(
            f"µs of the server's processor for each of those {what}", round(cost * 1e6)
        )

    def _count(self, outcome: Outcome, what: str) -> None:
        self._tally.count(f"hostile datagrams {what}", outcome.hostile)
        self._tally.count("nodes that booted meanwhile, DISCOVER to ACK", outcome.booted)
        self._tally.count("files read by TFTP meanwhile", outcome.read)
        self._tally.count("questions of honest clients that were asked again", outcome.again)
        for unserved in outcome.unserved:
            self._tally.expect(False, f"among datagrams {what}: {unserved}")

    def _settled(self, idle: int) -> tuple[int, int]:
        """Memory and descriptors, once transfers to clients that are gone have ended."""
        until = time.monotonic() + SETTLED_S
        while self._running.descriptors() > idle + self.more and time.monotonic() < until:
            time.sleep(0.1)
        return self._running.rss_bytes(), self._running.descriptors()

    def _compare(
        self, began: tuple[int, int], filled: tuple[int, int], after: tuple[int, int]
    ) -> None:
        tally = self._tally
        for (rss, descriptors), when in (
            (began, "before"),
            (filled, "with all strangers"),
            (after, "after"),
        ):
            tally.count(f"KiB of memory {when}", rss // 1024)
            tally.count(f"descriptors {when}", descriptors)
        tally.count("datagrams that the kernel dropped", self._running.dropped())
        tally.expect(filled[0] - began[0] <= STRANGERS_BYTES, "invented machines fill the memory")
        tally.expect(after[0] - filled[0] <= MORE_BYTES, f"memory grew: {began}, {filled}, {after}")


def _site(folder: Path) -> tuple[Path, list[tuple[str, str]]]:
    config = site_folder.make(folder)
    text = config.read_text().replace("eth1", "eth0")
    config.write_text(f'{text}pool = ["{POOL[0]}", "{POOL[-1]}"]\n')
    registry = Registry(folder / "state" / "registry.sqlite")
    nodes = []
    with closing(registry):
        for number in range(NODES):
            mac, address = f"52:54:00:aa:00:{number:02x}", str(NETWORK + 30 + number)
            card = interface(mac, f"{address}/24")
            node = new_node(f"n{number}", role="client", image="primary", interfaces=(card,))
            registry.add(msgspec.structs.replace(node, state=NodeState.INSTALLED))
            nodes.append((mac.replace(":", ""), address))
    return config, nodes


def _look_at_disk(state: Path, tally: Tally) -> None:
    """What invented machines left there is no more than there are places for."""
    with closing(LeaseFile(state / "leases.sqlite")) as leases:
        taken = len(leases.all())
    with closing(StrangerFile(state / "strangers.sqlite")) as file:
        strangers = len(file.all())
    tally.count(f"leases on the disk, of a pool of {len(POOL)}", taken)
    tally.count("unknown machines on the disk", strangers)
    tally.expect(LEASES <= taken <= len(POOL), f"{taken} leases of a pool of {len(POOL)}")
    tally.expect(strangers <= 2 * MOST, f"{strangers} unknown machines are kept")


def _read_log(log: Path, tally: Tally) -> None:
    with log.open(errors="replace") as lines:
        for line in lines:
            if any(word in line for word in BROKEN):
                tally.expect(False, f"the log says: {line.strip()}")
            last = line
    tally.expect("'dhcp failed'" not in last, f"it counted failures: {last}")
    tally.expect("stopped after" in last, f"its last word was: {last}")
