"""`haoscar-pxe doctor`: what would stop a capture, a boot or an install here, and what to type."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

import click

from haoscar_pxe.cli.check import Check
from haoscar_pxe.cli.failover_check import failover_check
from haoscar_pxe.cli.machine_checks import (
    accelerator_check,
    clock_check,
    key_check,
    program_checks,
    repository_check,
)
from haoscar_pxe.cli.network_checks import network_checks
from haoscar_pxe.cli.output import json_option, print_json
from haoscar_pxe.cli.site import Site, pass_site
from haoscar_pxe.command import run
from haoscar_pxe.errors import ConfigError, DoctorError

COLOURS = {"ok": "green", "warning": "yellow", "failed": "red"}


@click.command()
@json_option
@pass_site
def doctor(site: Site, as_json: bool) -> None:
    """Look for what would stop captures, boots and installs, and say what to type.

    Checks this machine (programs, repository, keys, clock) and the cluster's network: the
    interface, ports in use, other DHCP servers on the segment (it asks as a machine would), and,
    while 'serve' runs, the boot file over TFTP. Changes nothing. Run it as root: an ordinary user
    may not look at all of it.
    """
    checks = []
    for check in examine(site):
        checks.append(check)
        if not as_json:
            _show(check)
    failed = [check.name for check in checks if check.verdict == "failed"]
    if as_json:
        print_json({"ok": not failed, "checks": [asdict(check) for check in checks]})
    if failed:
        raise DoctorError(
            f"{len(failed)} of {len(checks)} checks failed: {', '.join(failed)}",
            hint="each says above what to type",
        )


def examine(site: Site) -> Iterator[Check]:
    """All checks, each when it is done. Without a configuration only what needs none."""
    yield from program_checks()
    try:
        config = site.config
    except ConfigError as error:
        yield Check("configuration", "failed", str(error), error.hint)
        return
    yield Check("configuration", "ok", str(site.path))
    yield repository_check(site)
    yield key_check(site)
    yield clock_check(site)
    yield accelerator_check(site)
    yield from failover_check(config.failover, run)
    yield from network_checks(config.serve, run, config.twin.ip)


def _show(check: Check) -> None:
    verdict = click.style(f"{check.verdict:>7}", fg=COLOURS[check.verdict])
    click.echo(f"{verdict}  {check.name}: {check.found}")
    if check.hint:
        click.echo(f"         {check.hint}")
