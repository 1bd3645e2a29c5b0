"""How commands print: tables and lines for people, one JSON document for programs."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import msgspec
from rich.console import Console
from rich.table import Table

from haoscar_pxe.cli.json_document import json_option as json_option
from haoscar_pxe.cli.json_document import print_json as print_json
from haoscar_pxe.cli.json_document import print_json_array as print_json_array
from haoscar_pxe.cli.lines import moment as moment
from haoscar_pxe.cli.lines import path_text as path_text
from haoscar_pxe.cli.lines import size as size
from haoscar_pxe.image.manifest import Manifest


def manifest_summary(manifest: Manifest) -> dict[str, object]:
    """A generation's record for programs, without its pages and its disk layout."""
    fields = msgspec.structs.asdict(manifest)
    fields["sealing_keys"] = [key_id.hex() for key_id in manifest.sealing_keys]
    return {key: value for key, value in fields.items() if key not in ("pages", "layout")}


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table as wide as it needs to be; never cut where output is not a terminal."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row)
    width = None if sys.stdout.isatty() else 200
    Console(width=width, highlight=False, markup=False).print(table)
