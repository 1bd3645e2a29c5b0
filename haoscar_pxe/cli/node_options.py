"""Options with which several `node` commands arm a node."""

from __future__ import annotations

import time

import click

from haoscar_pxe.cli.duration import Duration
from haoscar_pxe.nodes.arming import ARMED_FOR_S, ORDERS_PER_ARMING, new_arming
from haoscar_pxe.nodes.node import Arming

for_option = click.option(
    "--for", "for_s", type=Duration(), help="How long it stays armed: 90m, 8h, 2d. Default: 24h."
)
uses_option = click.option(
    "--uses",
    type=click.IntRange(1, 100),
    help=f"How many orders it may be given meanwhile; each installation that is begun anew takes "
    f"one. Default: {ORDERS_PER_ARMING}.",
)


def arming_for(for_s: float | None, uses: int | None) -> Arming:
    """The arming that begins now, as long as the options say."""
    return new_arming(time.time_ns(), for_s=for_s or ARMED_FOR_S, orders=uses or ORDERS_PER_ARMING)
