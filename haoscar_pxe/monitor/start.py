"""From the configuration to a running monitor: which member this machine is, its key, its guard."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import time
from collections.abc import Set
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

from haoscar_pxe.command import Run
from haoscar_pxe.config_failover import MEMBERS, FailoverConfig
from haoscar_pxe.errors import CommandError, FailoverError, InstallError
from haoscar_pxe.install.sync.record import HOLD, own_folder, read_record
from haoscar_pxe.monitor.guard import Guard, VirtualAddress
from haoscar_pxe.monitor.lease import Member, Tenures, Terms
from haoscar_pxe.monitor.promise import Promises
from haoscar_pxe.monitor.reports import Settings
from haoscar_pxe.monitor.supervisor import Monitor, Surroundings
from haoscar_pxe.monitor.talk import Asked, listen
from haoscar_pxe.wire.heartbeat import KEY_BYTES

log = logging.getLogger(__name__)

MARGIN_SHARE = 10
"""An acceptor adds a tenth of a lease to what the holder counts."""
_EGRESS = """table netdev haoscar_pxe_probe {
  chain leaving { type filter hook egress device lo priority 0; }
}
"""


def whoami(config: FailoverConfig, local: Set[IPv4Address | IPv6Address]) -> Member:
    """Which member has these addresses. Raises FailoverError: none of them, or more than one."""
    if not config.network:
        raise FailoverError(
            "there is no failover here: the configuration has no [[failover.network]]",
            hint="docs/failover.md says what to write into it",
        )
    found = {
        member
        for network in config.network
        for member, address in zip(Member, network.addresses, strict=True)
        if address in local
    }
    if len(found) == 1:
        return found.pop()
    listed = ", ".join(
        f"{name} {address}"
        for network in config.network
        for name, address in zip(MEMBERS, network.addresses, strict=True)
    )
    who = "two members" if found else "no member"
    raise FailoverError(
        f"this machine is {who} of the heartbeat networks ({listed})",
        hint="'ip address' shows what it has; [[failover.network]] must name one of them",
    )


def local_addresses(run: Run) -> set[IPv4Address | IPv6Address]:
    """All addresses of this machine. Raises CommandError."""
    lines = run(["ip", "-oneline", "address", "show"]).text.splitlines()
    words = (line.split() for line in lines)
    return {ip_address(each[3].split("/")[0]) for each in words if each[2] in ("inet", "inet6")}


def read_key(path: Path) -> bytes:
    """The cluster's key, of 64 hexadecimal digits. Raises FailoverError; also if others read it."""
    try:
        if path.stat().st_mode & 0o077:
            raise FailoverError(f"others can read {path}", hint=f"chmod 600 {path}")
        key = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except OSError as error:
        raise FailoverError(
            f"cannot read the cluster's key {path}: {error.strerror}",
            hint="'haoscar-pxe failover key' makes one; all three members need the same",
        ) from error
    except ValueError as error:
        raise FailoverError(f"{path} is no key: {error}") from error
    if len(key) != KEY_BYTES:
        raise FailoverError(f"{path} holds {len(key)} bytes, a key has {KEY_BYTES}")
    return key


def settings_of(config: FailoverConfig, member: Member, key: bytes, run: Run) -> Settings:
    """What the keeper has to know."""
    lease_ns = config.lease_ms * 1_000_000
    guard = None
    if member is not Member.WITNESS:
        addresses = (VirtualAddress(a.address, a.interface) for a in config.address)
        guard = Guard(tuple(addresses), has_egress=has_egress(run))
    return Settings(
        member=member,
        terms=Terms(lease_ns, lease_ns // MARGIN_SHARE),
        networks=tuple(tuple(map(str, network.addresses)) for network in config.network),
        port=config.port,
        key=key,
        promised=0,
        tenures=Tenures(),
        guard=guard,
    )


def has_egress(run: Run) -> bool:
    """Whether the kernel has the netdev egress hook (from 5.16 on); nothing is changed."""
    try:
        run(["nft", "-c", "-f", "-"], stdin=_EGRESS.encode())
    except CommandError:
        log.warning("this kernel has no egress hook: raw frames are not guarded")
        return False
    return True


def surroundings(folder: Path, run: Run, root: Path = Path("/")) -> Surroundings:
    """This machine. root: of the tree whose standby record tells the generation's age."""

    def age() -> float | None:
        try:
            return max(0.0, time.time() - read_record(root).created_ns / 1e9)
        except InstallError:
            return None

    def hold(epoch: int) -> None:
        if own_folder(root).is_dir():
            when = time.strftime("%Y-%m-%d %H:%M:%S")
            said = f"it was the active head from {when} on (epoch {epoch}): capture it first"
            (own_folder(root) / HOLD).write_text(f"{said}\n", encoding="utf-8")

    def let_go() -> None:
        (own_folder(root) / HOLD).unlink(missing_ok=True)

    return Surroundings(folder, run, age, hold, let_go)


async def serve_monitor(monitor: Monitor, folder: Path) -> None:
    """Run it and answer questions about it, until it is cancelled."""

    async def answer(asked: Asked) -> object:
        match asked.do:
            case "status":
                return monitor.standing()
            case "move":
                return await monitor.move(asked.reason)
            case "maintain":
                return monitor.maintain(asked.reason)
            case "rejoin":
                return monitor.rejoin()
            case _:
                raise FailoverError(f"the monitor does not know '{asked.do}'")

    server = await listen(folder, answer)
    try:
        await monitor.run()
    finally:
        server.close()
        with suppress(OSError):
            (folder / "monitor.sock").unlink()


def run_monitor(config: FailoverConfig, run: Run) -> None:
    """Watch in the foreground, until SIGTERM or Ctrl-C. Raises FailoverError: it cannot start."""
    folder = Path(config.state)
    member = whoami(config, local_addresses(run))
    settings = settings_of(config, member, read_key(Path(config.key)), run)
    promises = Promises(folder / "promise")

    async def whole() -> None:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, task.cancel)
        monitor = Monitor(config, settings, surroundings(folder, run), promises)
        log.info(
            "watching as the %s (process %d, %s)", member.name.lower(), os.getpid(), sys.argv[0]
        )
        with suppress(asyncio.CancelledError):
            await serve_monitor(monitor, folder)

    asyncio.run(whole())
