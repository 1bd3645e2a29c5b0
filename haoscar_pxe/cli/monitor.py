"""`haoscar-pxe monitor`: the failover monitor of this member, in the foreground."""

from __future__ import annotations

import click

from haoscar_pxe.cli.failover_site import pass_failover
from haoscar_pxe.command import run
from haoscar_pxe.config_failover import FailoverConfig
from haoscar_pxe.monitor.start import run_monitor


@click.command()
@pass_failover
def monitor(config: FailoverConfig) -> None:
    """Watch the other members in the foreground, and take over when the lease says so.

    Runs as root on both heads and on the witness; which of them this machine is follows from its
    addresses. The package has a systemd unit for it: haoscar-pxe-monitor.service.
    """
    run_monitor(config, run)
