"""`haoscar-pxe failover` on the image server: what a head can do, and putting the monitor there."""

from __future__ import annotations

from pathlib import Path

import click

from haoscar_pxe.boot.bundle import build_bundle
from haoscar_pxe.capture.remote.delivery import AgentBundle
from haoscar_pxe.capture.remote.ssh import Ssh
from haoscar_pxe.cli.failover_head import failover
from haoscar_pxe.cli.site import Site, pass_site
from haoscar_pxe.command import run
from haoscar_pxe.monitor.head_files import head_files
from haoscar_pxe.monitor.head_install import install_on_head
from haoscar_pxe.monitor.start import read_key


@failover.command()
@click.option("--host", required=True, metavar="[USER@]HOST", help="The head, as for ssh.")
@click.option("--ssh-option", "ssh_options", multiple=True, metavar="NAME=VALUE")
@pass_site
def install(site: Site, host: str, ssh_options: tuple[str, ...]) -> None:
    """Put the monitor on a head, over ssh, and start it.

    The head needs sshd, systemd, nftables and iproute2. It gets the agent bundle, this site's
    section [failover], the cluster's key and a unit. Do it on the primary before a capture: then
    the standby has it from its image.
    """
    key = Path(site.failover.key)
    read_key(key)
    made = build_bundle(site.config.paths.bundle_cache)
    files = head_files(site.failover, key.read_text(encoding="ascii"))
    install_on_head(AgentBundle(made.id, made.folder), Ssh(host, ssh_options), files, run)
    click.echo(f"the monitor runs on {host}; 'haoscar-pxe failover status' there")
