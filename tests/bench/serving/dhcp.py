"""The part "dhcp": 10,000 known nodes behind a relay, beside Kea and dnsmasq.

Ours is the real `serve` with its registry: a known node's address is on the disk before the node is
ever heard of. Kea writes each lease to its memfile and dnsmasq to its lease file, neither syncs.
"""

from __future__ import annotations

import json
import secrets
import sys
from ipaddress import IPv4Interface
from pathlib import Path
from typing import Final

import msgspec

from haoscar_pxe.nodes.node import Interface, Node, NodeState
from haoscar_pxe.nodes.registry import Registry
from tests.bench.measure import BenchError
from tests.bench.serving.daemons import TOP, Daemon, libraries, peak_bytes, running, unpacked
from tests.bench.serving.dhcp_load import Load, address, mac
from tests.bench.serving.rates import Rates
from tests.bench.targets import MB, OURS
from tests.unit.cli import site_folder
from tests.wire.namespaces import CLIENT_ADDRESS, SERVER_ADDRESS, Link, Namespace, link

PART: Final = "dhcp"
WHAT: Final = "exchanges/s, 10,000 known nodes"
LATENCY: Final = "ms, 99 of 100 exchanges done in"
NODES: Final = 10_000
AT_ONCE: Final = 32
RUN_S: Final = 8.0
IP: Final = str(IPv4Interface(SERVER_ADDRESS).ip)
RELAY: Final = str(IPv4Interface(CLIENT_ADDRESS).ip)
SUBNET: Final = "10.77.0.0/16"
P99_MS: Final = 5.0


def measure_dhcp(rates: Rates, folder: Path, rounds: int) -> None:
    """Measure and judge; folder is this part's own."""
    config = make_site(folder, NODES)
    macs = [":".join(f"{byte:02x}" for byte in mac(number)) for number in range(NODES)]
    for _ in range(rounds):
        for name in (OURS, "Kea", "dnsmasq"):
            with link() as made:
                daemon = _daemon(name, made.server, folder, config, macs)
                with running(made.server, daemon, folder / "log") as pid:
                    result = load(made, NODES, RUN_S)
                    memory = peak_bytes(pid)
            if result.wrong or not result.exchanges:
                raise BenchError(f"{name}: {result}")
            told = (
                f"{result.lost} lost, median {result.median_s * 1000:.1f} ms, {memory / MB:.0f} MB"
            )
            rates.note(PART, WHAT, name, result.exchanges / result.seconds, told)
            rates.note(PART, LATENCY, name, result.p99_s * 1000)
    rates.at_least(PART, WHAT, {"Kea": 1.5, "dnsmasq": 5.0})
    rates.limit(PART, LATENCY, P99_MS)


def make_site(folder: Path, nodes: int) -> Path:
    """A configuration with so many installed nodes; the file."""
    config = site_folder.make(folder)
    text = config.read_text().replace("eth1", "eth0").replace("10.77.0.1/24", "10.77.0.1/16")
    config.write_text(text)
    (folder / "state").mkdir(exist_ok=True)
    made = [_node(number) for number in range(nodes)]
    Registry(folder / "state" / "registry.sqlite").rewrite(lambda _: made)
    return config


def _node(number: int) -> Node:
    interface = Interface(mac=mac(number).hex(":"), address=f"{address(number)}/16")
    return Node(
        name=f"node{number:05}",
        role="client",
        image="primary",
        interfaces=(interface,),
        state=NodeState.INSTALLED,
        machine_id=secrets.token_hex(16),
        order_token=secrets.token_hex(16),
    )


def _daemon(name: str, namespace: Namespace, folder: Path, config: Path, macs: list[str]) -> Daemon:
    match name:
        case "Kea":
            return _kea(folder, namespace.interface, macs)
        case "dnsmasq":
            return _dnsmasq(folder, macs)
        case _:
            argv = [sys.executable, "-m", "haoscar_pxe.cli", "--config", str(config), "serve"]
            return Daemon(OURS, argv, (67, 8069))


def _kea(folder: Path, interface: str, macs: list[str]) -> Daemon:
    leases = folder / "kea-leases.csv"
    leases.unlink(missing_ok=True)
    reservations = [
        {"hw-address": each, "ip-address": str(address(number))} for number, each in enumerate(macs)
    ]
    database = {"type": "memfile", "persist": True, "name": str(leases), "lfc-interval": 0}
    logger = {"name": "kea-dhcp4", "severity": "ERROR", "output_options": [{"output": "stderr"}]}
    configuration = {
        "interfaces-config": {"interfaces": [interface], "dhcp-socket-type": "udp"},
        "lease-database": database,
        "host-reservation-identifiers": ["hw-address"],
        "subnet4": [{"subnet": SUBNET, "reservations": reservations}],
        "loggers": [logger],
    }
    path = folder / "kea.json"
    path.write_text(json.dumps({"Dhcp4": configuration}))
    environment = {"KEA_PIDFILE_DIR": str(folder), "KEA_LOCKFILE_DIR": str(folder)}
    argv = [unpacked("usr/sbin/kea-dhcp4"), "-c", str(path)]
    return Daemon("Kea", argv, (67,), {**environment, **libraries()})


def _dnsmasq(folder: Path, macs: list[str]) -> Daemon:
    hosts, leases = folder / "dnsmasq-hosts", folder / "dnsmasq-leases"
    leases.unlink(missing_ok=True)
    hosts.write_text("".join(f"{each},{address(number)}\n" for number, each in enumerate(macs)))
    program = ["dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--user=root", "--port=0"]
    served = [f"--dhcp-range={SUBNET.split('/')[0]},static,255.255.0.0", "--no-ping"]
    kept = [f"--dhcp-hostsfile={hosts}", f"--dhcp-leasefile={leases}", "--dhcp-lease-max=20000"]
    return Daemon("dnsmasq", [*program, *served, *kept, "--quiet-dhcp"], (67,))


def load(made: Link, nodes: int, seconds: float) -> Load:
    """Exchanges through the relay for so long."""
    argv = [sys.executable, "-m", "tests.bench.serving.dhcp_load", IP, RELAY]
    numbers = (nodes, AT_ONCE, seconds)
    ran = made.client.run(
        "env", f"PYTHONPATH={TOP}", *argv, *map(str, numbers), timeout_s=seconds + 30
    )
    return msgspec.json.decode(ran.stdout, type=Load)
