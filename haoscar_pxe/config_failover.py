"""The section `failover` of the configuration, the same file on both heads and on the witness.

A standby is a clone: nothing in it says which member a machine is. That follows from the addresses
it has in the heartbeat networks.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

from haoscar_pxe.config_section import document_of, read_text, refuse, section

MEMBERS: Final = ("primary", "standby", "witness")
SHORTEST_LEASE_MS: Final = 200
LONGEST_LEASE_MS: Final = 60_000
_MAIL_ADDRESS: Final = re.compile(r"[\w.+-]+(@[\w.-]+)?", re.ASCII)
"""Somebody here or elsewhere; what has to be quoted in a header is not taken."""
LONGEST_NAME: Final = 15
"""Characters of an interface's name (IFNAMSIZ less the zero)."""


@dataclass(frozen=True, slots=True)
class HeartbeatNetwork:
    """The addresses of the three in one heartbeat network; all networks are used all the time."""

    primary: str
    standby: str
    witness: str

    @property
    def addresses(self) -> tuple[IPv4Address | IPv6Address, ...]:
        """In the order of `MEMBERS`."""
        return tuple(ip_address(text) for text in (self.primary, self.standby, self.witness))


@dataclass(frozen=True, slots=True)
class FloatingAddress:
    """A virtual address, without a prefix length, and the interface that has it on either head."""

    address: str
    interface: str


@dataclass(frozen=True, slots=True)
class ActiveService:
    """What runs on the active head alone.

    unit: of systemd; or start and stop: programs with their arguments. writes_shared_data: it is
    started only when the other head is known to have stopped it, or to be without power.
    """

    name: str
    unit: str = ""
    start: tuple[str, ...] = ()
    stop: tuple[str, ...] = ()
    writes_shared_data: bool = False
    timeout_s: int = 60

    @property
    def start_argv(self) -> tuple[str, ...]:
        """The program that starts it."""
        return ("systemctl", "start", self.unit) if self.unit else self.start

    @property
    def stop_argv(self) -> tuple[str, ...]:
        """The program that stops it."""
        return ("systemctl", "stop", self.unit) if self.unit else self.stop


@dataclass(frozen=True, slots=True)
class ServiceCheck:
    """How it is found out, on the active head, whether a service is well.

    service: the name of an [[failover.service]]. One of unit, tcp (HOST:PORT), http (a URL) and
    exec (a program with its arguments, 0 is well). failures: so many in a row, every_s apart, and
    it is started again; restarts: at most so often in window_s. moves: whether it is then moved to
    the other head with everything else.
    """

    service: str
    unit: str = ""
    tcp: str = ""
    http: str = ""
    exec: tuple[str, ...] = ()
    every_s: float = 5.0
    timeout_s: float = 5.0
    failures: int = 3
    restarts: int = 3
    window_s: float = 600.0
    moves: bool = True


@dataclass(frozen=True, slots=True)
class FailoverConfig:
    """Who watches whom, and what moves. Without networks there is no failover.

    lease_ms: how long a head may serve after it last heard a majority. rejoin: whether a head that
    was replaced may take over again by itself, at most rejoin_limit times (0: without a limit) in
    rejoin_window_s. failback: whether a standby that is active hands over to the primary by itself,
    once that could have taken over for failback_after_s. oldest_s: a standby whose generation is
    older does not take over by itself; 0: never too old. move_every_s: checks move things away from
    a head at most so often. fence_primary, fence_standby: programs with their arguments that take
    that head's power away, and end with 0 only when it is gone. alert: a program that gets each
    event. mail: who gets a mail for each alert and take-over, by the site's sendmail program.
    """

    network: tuple[HeartbeatNetwork, ...] = ()
    address: tuple[FloatingAddress, ...] = ()
    service: tuple[ActiveService, ...] = ()
    check: tuple[ServiceCheck, ...] = ()
    move_every_s: int = 3600
    port: int = 8070
    lease_ms: int = 500
    key: str = "/etc/haoscar-pxe/cluster.key"
    state: str = "/var/lib/haoscar-pxe-monitor"
    rejoin: Literal["manual", "automatic"] = "manual"
    rejoin_limit: int = 3
    rejoin_window_s: int = 86_400
    failback: Literal["manual", "automatic"] = "manual"
    failback_after_s: int = 600
    oldest_s: int = 0
    fence_primary: tuple[str, ...] = ()
    fence_standby: tuple[str, ...] = ()
    fence_timeout_s: int = 60
    alert: tuple[str, ...] = ()
    mail: tuple[str, ...] = ()

    @property
    def stops_within_s(self) -> float:
        """How long the services that write shared data may take to stop."""
        return sum(each.timeout_s for each in self.service if each.writes_shared_data) + 1.0


def read_failover(path: Path) -> FailoverConfig:
    """The section of a configuration file, whatever else is in it; a head may have it alone.

    Raises ConfigError: not there, not TOML, or wrong.
    """
    document = document_of(read_text(path), str(path))
    problems: list[str] = []
    config = section(FailoverConfig, document.get("failover", {}), "failover", problems)
    refuse(str(path), problems or failover_problems(config))
    return config


def failover_problems(config: FailoverConfig) -> list[str]:
    """What is wrong with the section, each in words; empty if nothing is."""
    problems = []
    for number, network in enumerate(config.network, 1):
        problems += _network_problems(f"[[failover.network]] {number}", network)
    for each in config.address:
        problems += _address_problems(f"[[failover.address]] {each.address}", each)
    names = [service.name for service in config.service]
    problems += [
        f"[[failover.service]]: '{name}' is there twice"
        for name in sorted(set(names))
        if names.count(name) > 1
    ]
    for service in config.service:
        problems += _service_problems(f"[[failover.service]] {service.name}", service)
    for check in config.check:
        problems += _check_problems(f"[[failover.check]] of {check.service}", check, names)
    if not 1 <= config.port <= 65535:
        problems.append(f"failover.port: {config.port} is no port")
    if not SHORTEST_LEASE_MS <= config.lease_ms <= LONGEST_LEASE_MS:
        problems.append(
            f"failover.lease_ms: {config.lease_ms} is not in "
            f"{SHORTEST_LEASE_MS} to {LONGEST_LEASE_MS}"
        )
    problems += _number_problems(config)
    problems += [
        f"failover.mail: '{each}' is no mail address"
        for each in config.mail
        if not _MAIL_ADDRESS.fullmatch(each)
    ]
    if config.network and not config.address:
        problems.append("failover: there is no [[failover.address]], so nothing would move")
    return problems


def _number_problems(config: FailoverConfig) -> list[str]:
    lowest = {
        "oldest_s": (config.oldest_s, 0),
        "rejoin_limit": (config.rejoin_limit, 0),
        "rejoin_window_s": (config.rejoin_window_s, 1),
        "failback_after_s": (config.failback_after_s, 1),
        "fence_timeout_s": (config.fence_timeout_s, 1),
    }
    return [
        f"failover.{name}: {value} is below {least}"
        for name, (value, least) in lowest.items()
        if value < least
    ]


def _network_problems(where: str, network: HeartbeatNetwork) -> list[str]:
    texts = (network.primary, network.standby, network.witness)
    wrong = [f"{where}: '{text}' is no address" for text in texts if not _is_address(text)]
    if wrong:
        return wrong
    if len({each.version for each in network.addresses}) > 1:
        return [f"{where}: IPv4 and IPv6 in one network"]
    if len(set(network.addresses)) < len(texts):
        return [f"{where}: two members have the same address"]
    return []


def _address_problems(where: str, each: FloatingAddress) -> list[str]:
    problems = []
    if not _is_address(each.address):
        problems.append(f"{where}: that is no address; write it without a prefix length")
    name = each.interface
    if not 0 < len(name) <= LONGEST_NAME or any(sign in name for sign in '/"\\{};') or " " in name:
        problems.append(f"{where}: '{name}' is no interface")
    return problems


def _service_problems(where: str, service: ActiveService) -> list[str]:
    if bool(service.unit) == bool(service.start or service.stop):
        return [f"{where}: give either unit, or start and stop"]
    if not service.unit and not (service.start and service.stop):
        return [f"{where}: what is started must also be stopped: start and stop"]
    if service.timeout_s < 1:
        return [f"{where}: timeout_s {service.timeout_s} is below 1"]
    return []


def _check_problems(where: str, check: ServiceCheck, names: list[str]) -> list[str]:
    problems = []
    if check.service not in names:
        problems.append(f"{where}: there is no such [[failover.service]]")
    if sum(map(bool, (check.unit, check.tcp, check.http, check.exec))) != 1:
        problems.append(f"{where}: give one of unit, tcp, http and exec")
    if check.tcp and not _is_host_and_port(check.tcp):
        problems.append(f"{where}: tcp '{check.tcp}' is not HOST:PORT")
    if check.http and not check.http.startswith("http://"):
        problems.append(f"{where}: http '{check.http}' does not begin with http://")
    if min(check.every_s, check.timeout_s, check.window_s) <= 0 or check.failures < 1:
        problems.append(f"{where}: every_s, timeout_s, window_s and failures must be above 0")
    if check.restarts < 0:
        problems.append(f"{where}: restarts {check.restarts} is below 0")
    return problems


def _is_host_and_port(text: str) -> bool:
    try:
        parts = urlsplit(f"//{text}")
        return bool(parts.hostname and parts.port)
    except ValueError:
        return False


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
