"""A boot server of our own rooms for tests: every file of a folder by TFTP and HTTP, fixed DHCP.

    python -m tests.wire.folder_server INTERFACE ADDRESS FOLDER [MAC=ADDRESS|router|proxy|quiet …]

Writes one line, the endpoints as JSON, once it is ready; logs to stderr, with "quiet" as much as
the product does; ends with SIGTERM.
"""

from __future__ import annotations

import logging
import sys
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path

import msgspec

from haoscar_pxe.nodes.asking import DhcpAnswer
from haoscar_pxe.serve.options import Endpoints, ServeOptions
from haoscar_pxe.serve.server import run_server
from tests.unit.serve.fixed_answers import FixedAnswers


def answers(folder: Path, leases: list[str]) -> FixedAnswers:
    """All files below the folder, and for each "MAC=ADDRESS" the address."""
    paths = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    pairs = [lease.split("=") for lease in leases]
    return FixedAnswers(
        addresses={
            mac: DhcpAnswer(
                address=IPv4Interface(address),
                reason="the test said so",
                gateway=IPv4Address("10.77.0.1"),
                dns=(IPv4Address("10.77.0.1"),),
                domain="cluster.test",
                hostname="standby",
                boot_filename="lpxelinux.0",
                lease_s=600,
            )
            for mac, address in pairs
        },
        files=dict(paths),
        boot=paths,
        stored={path.stem: path for path in paths.values()},
    )


def main(interface: str, address: str, folder: str, *leases: str) -> None:
    """Serve until SIGTERM."""
    level = logging.INFO if "quiet" in leases else logging.DEBUG
    logging.basicConfig(level=level, stream=sys.stderr)

    def say(endpoints: Endpoints) -> None:
        sys.stdout.write(msgspec.json.encode(str(endpoints)).decode() + "\n")
        sys.stdout.flush()

    options = ServeOptions(
        interface=interface,
        address=IPv4Interface(address),
        http_port=8069,
        router_advertisement="router" in leases,
        proxy_dhcp="proxy" in leases,
    )
    run_server(options, answers(Path(folder), [each for each in leases if "=" in each]), ready=say)


if __name__ == "__main__":
    main(*sys.argv[1:])
