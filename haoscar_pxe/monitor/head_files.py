"""What a head needs to watch and take over, beside nftables: its own files and the agent bundle.

/usr/local/lib/haoscar-pxe/        root's
    agent-<32 digits>/             bundles (delivery.py of capture)
    bundle                         link to the one in use
    haoscar-pxe                    the command, with that bundle's Python
/usr/local/sbin/haoscar-pxe        the same, unless somebody else's is there
/etc/haoscar-pxe/haoscar-pxe.toml  the section [failover] alone
/etc/haoscar-pxe/cluster.key       0600
/etc/systemd/system/haoscar-pxe-monitor.service

They are in the head's image, so its standby has them from the first day on.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from importlib import resources
from typing import Final

from haoscar_pxe.config_failover import FailoverConfig
from haoscar_pxe.rendering import render

FOLDER: Final = "/usr/local/lib/haoscar-pxe"
COMMAND: Final = f"{FOLDER}/haoscar-pxe"
PROGRAM: Final = "/usr/local/sbin/haoscar-pxe"
COMMAND_MARK: Final = "# Written by haoscar-pxe"
CONFIG: Final = "/etc/haoscar-pxe/haoscar-pxe.toml"
UNIT: Final = "haoscar-pxe-monitor.service"
WRITTEN_BY_US: Final = "# Written by 'haoscar-pxe failover install'"


@dataclass(frozen=True, slots=True)
class HeadFile:
    """path: absolute. mode: its permission bits."""

    path: str
    content: bytes
    mode: int = 0o644


def head_files(config: FailoverConfig, key_text: str) -> list[HeadFile]:
    """All of them. key_text: what the key's file holds."""
    command = render("standby/haoscar-pxe", {"folder": FOLDER})
    return [
        HeadFile(COMMAND, command.encode(), 0o755),
        HeadFile(CONFIG, head_config(config).encode()),
        HeadFile(config.key, key_text.encode(), 0o600),
        HeadFile(f"/etc/systemd/system/{UNIT}", unit_text(COMMAND).encode()),
    ]


def head_config(config: FailoverConfig) -> str:
    """The configuration of a head: one section, as the image server has it."""
    values: dict[str, object] = {"failover": asdict(config)}
    section = render("site/failover.toml", values)
    return f"{WRITTEN_BY_US} on the image server, from its own configuration.\n\n{section}"


def unit_text(command: str) -> str:
    """The monitor's unit, with the command where it is on this machine."""
    shipped = resources.files("haoscar_pxe") / "systemd" / UNIT
    text = shipped.read_text(encoding="utf-8")
    return text.replace("ExecStart=haoscar-pxe ", f"ExecStart={command} ")
