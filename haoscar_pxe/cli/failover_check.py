"""The check of `doctor` that looks at failover: which member this is, and its key."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from haoscar_pxe.cli.check import Check
from haoscar_pxe.command import Run
from haoscar_pxe.config_failover import FailoverConfig
from haoscar_pxe.errors import HaoscarError
from haoscar_pxe.monitor.start import local_addresses, read_key, whoami


def failover_check(config: FailoverConfig, run: Run) -> Iterator[Check]:
    """One check, or none where the configuration has no failover."""
    if not config.network:
        return
    try:
        member = whoami(config, local_addresses(run))
        read_key(Path(config.key))
    except HaoscarError as error:
        yield Check("failover", "failed", str(error), error.hint)
    else:
        yield Check("failover", "ok", f"this is the {member.name.lower()}, and {config.key} a key")
