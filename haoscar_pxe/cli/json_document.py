"""Results for programs: one JSON document or array on standard output."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

import click
import msgspec

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
