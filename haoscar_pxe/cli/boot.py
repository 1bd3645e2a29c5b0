"""`haoscar-pxe boot explain`: what a machine would be sent now, and why."""

from __future__ import annotations

import click
import msgspec

from haoscar_pxe.boot.answers import BootAnswers
from haoscar_pxe.boot.configurations import configuration_name
from haoscar_pxe.boot.decide import Boot
from haoscar_pxe.boot.order import make_order
from haoscar_pxe.boot.programs import boot_program
from haoscar_pxe.cli.output import json_option, path_text, print_json
from haoscar_pxe.cli.serve import boot_answers
from haoscar_pxe.cli.site import Site, pass_site
from haoscar_pxe.image.delta_cache import DeltaCache
from haoscar_pxe.nodes.asking import Asker, DhcpAnswer, DhcpDecision
from haoscar_pxe.nodes.declare import canonical_mac
from haoscar_pxe.nodes.node import Node
from haoscar_pxe.nodes.order import IdentityChange, InstallOrder
from haoscar_pxe.nodes.standby import OWN_PATHS

HIDDEN = "(hidden)"


@click.group()
def boot() -> None:
    """Boot decisions, explained."""


@boot.command()
@click.argument("mac")
@click.option("--arch", default=0, show_default=True, help="Client architecture, DHCP option 93.")
@click.option("--ipxe", is_flag=True, help="It is iPXE that asks.")
@json_option
@pass_site
def explain(site: Site, mac: str, arch: int, ipxe: bool, as_json: bool) -> None:
    """Say what the machine with this MAC would be sent now, and why, down to the rendered text.

    Nothing is changed and nothing is sent; the order's token and opening keys are not shown.
    """
    mac = canonical_mac(mac)
    answers = boot_answers(site, DeltaCache(site.config.paths.delta_cache))
    decision, node = answers.decision(mac)
    asker = Asker(mac=mac, arch=arch, vendor_class="PXEClient", is_ipxe=ipxe)
    told = answers.dhcp(asker)
    serve = site.config.serve
    loader = boot_program(asker, serve.url, is_proxy=serve.proxy_dhcp).loader
    text = answers.configuration(loader, mac)
    order = _order(site, answers, node) if node and decision.boot is Boot.INSTALL else None
    if as_json:
        document = {"boot": decision.boot, "reason": decision.reason, "dhcp": _dhcp(told)}
        print_json({**document, "configuration": text, "order": order})
        return
    click.echo(f"{mac}: {decision.boot}, because {decision.reason}.\n")
    click.echo(f"DHCP: {_dhcp_words(told)}")
    click.echo(f"\n{configuration_name(loader, mac)}:\n{_indented(text)}")
    if order:
        click.echo(_order_words(order))


def _order(site: Site, answers: BootAnswers, node: Node) -> InstallOrder:
    files = answers.generations.open(node.image, answers.generation_of(node))
    opening = site.sealing_keys.ring(node.image)
    order = make_order(node, files.manifest, files, site.identity, site.config.install, opening)
    hidden = (HIDDEN,) * len(order.opening_keys)
    return msgspec.structs.replace(order, token=HIDDEN, opening_keys=hidden)


def _dhcp(told: DhcpDecision) -> dict[str, object]:
    if isinstance(told, DhcpAnswer):
        boot = {"next_server": str(told.next_server or ""), "boot_filename": told.boot_filename}
        return {"address": str(told.address), "reason": told.reason, **boot}
    return {"address": None, "reason": told.reason}


def _dhcp_words(told: DhcpDecision) -> str:
    if not isinstance(told, DhcpAnswer):
        return f"no answer, because {told.reason}."
    boots = f"boots {told.boot_filename} from {told.next_server}" if told.boot_filename else ""
    return f"{told.address} for {told.lease_s} s {boots}: {told.reason}."


def _order_words(order: InstallOrder) -> str:
    changes = [
        f"  {path_text(change.path)}: {change.reason}\n{_indented(_content(change), 6)}"
        for change in order.identity
    ]
    head = f"Order: {order.image} generation {order.generation} (manifest {order.manifest_id[:12]})"
    disk = f"disk {order.disk}, wipe {order.wipe}, then {order.after}"
    if order.opening_keys:
        disk += f", with {len(order.opening_keys)} opening key(s) for its secrets"
    if order.keeps_record:
        changes += [f"  {path_text(own.path)}/ …: {own.reason}" for own in OWN_PATHS]
    listed = "\n".join(changes)
    return f"{head} on {disk}.\nIt differs from the primary in these files and no others:\n{listed}"


def _content(change: IdentityChange) -> str:
    if change.content is None:
        return "(removed)"
    if b"\0" in change.content:
        return f"({len(change.content)} bytes that are no text)"
    return change.content.decode("utf-8", "replace")


def _indented(text: str, by: int = 4) -> str:
    return "\n".join(f"{' ' * by}{line}" for line in text.splitlines())
