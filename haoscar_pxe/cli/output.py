"""How commands print: tables and lines for people, one JSON document for programs."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import click
import msgspec
from rich.console import Console
from rich.table import Table

from haoscar_pxe.cli.lines import path_text as path_text
from haoscar_pxe.cli.lines import size as size
from haoscar_pxe.image.manifest import Manifest

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


def print_json(value: object) -> None:
    """One JSON document on standard output; bytes are text, undecodable ones escaped."""
    encoded = msgspec.json.encode(msgspec.to_builtins(_printable(value)))
    click.echo(msgspec.json.format(encoded, indent=2).decode())


def print_json_array(values: Iterable[object]) -> None:
    """One JSON array on standard output, printed as the values come: there may be millions."""
    before = "[\n"
    for value in values:
        click.echo(before + msgspec.json.encode(_printable(value)).decode(), nl=False)
        before = ",\n"
    click.echo("\n]" if before != "[\n" else "[]")


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


def moment(at_ns: int) -> str:
    """A time for people, in this machine's own zone.

    >>> len(moment(0))
    19
    """
    return datetime.fromtimestamp(at_ns / 1e9, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _printable(value: object) -> object:
    """The value with bytes decoded, so that paths stay readable in JSON."""
    match value:
        case bytes():
            return value.decode("utf-8", "backslashreplace")
        case msgspec.Struct():
            return {key: _printable(each) for key, each in msgspec.structs.asdict(value).items()}
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            fields = [field.name for field in dataclasses.fields(value)]
            return {name: _printable(getattr(value, name)) for name in fields}
        case dict():
            return {key: _printable(each) for key, each in value.items()}
        case list() | tuple():
            return [_printable(each) for each in value]
        case _:
            return value
