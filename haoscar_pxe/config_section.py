"""From TOML to frozen values: sections and tables of dataclasses, every problem in words.

It knows no setting: those are in `config.py` and `config_failover.py`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args, get_type_hints

import msgspec

from haoscar_pxe.errors import ConfigError

S = TypeVar("S")
L = TypeVar("L")


def read_text(path: Path) -> str:
    """The text of a configuration file. Raises ConfigError."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ConfigError(
            f"there is no configuration at {path}", hint="'haoscar-pxe init' writes one"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {path}: {error}") from error


def document_of(text: str, source: str) -> dict[str, object]:
    """The text as sections. source: its name in messages. Raises ConfigError: no TOML."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{source} is not TOML: {error}") from error


def refuse(source: str, problems: Sequence[str]) -> None:
    """Raise ConfigError with every problem, if there is one."""
    if problems:
        listed = "".join(f"\n  - {problem}" for problem in problems)
        raise ConfigError(
            f"{source} has {len(problems)} problem(s):{listed}",
            hint="'haoscar-pxe init --print' shows a right one with every key explained",
        )


def section(kind: type[S], given: object, name: str, problems: list[str]) -> S:
    """One section; what is not given keeps its default, what is wrong becomes a problem."""
    if not isinstance(given, dict):
        problems.append(f"{name} must be a section, [{name}]")
        return kind()
    types = get_type_hints(kind)
    problems += [f"{name}.{key} is not a setting" for key in given if key not in types]
    values: dict[str, Any] = {}
    for key, value in given.items():
        if tables := _kind_of_tables(types.get(key)):
            values[key] = several(tables, value, f"{name}.{key}", problems)
            continue
        try:
            values[key] = msgspec.convert(value, types.get(key, object))
        except msgspec.ValidationError as error:
            problems.append(f"{name}.{key}: {error}")
    return kind(**{key: value for key, value in values.items() if key in types})


def _kind_of_tables(wanted: object) -> type[Any] | None:
    """X where a setting is a tuple of dataclasses X: it is written as tables of its own."""
    kind = get_args(wanted)[0] if get_args(wanted) else None
    return kind if isinstance(kind, type) and is_dataclass(kind) else None


def several(kind: type[L], given: object, name: str, problems: list[str]) -> tuple[L, ...]:
    """The values of a section that may be there more than once."""
    if not isinstance(given, list):
        problems.append(f"[[{name}]] takes double brackets: there may be several")
        return ()
    known = get_type_hints(kind)
    values = []
    for each in given:
        keys = each if isinstance(each, dict) else {}
        problems += [f"[[{name}]]: {key} is not a setting" for key in keys if key not in known]
        try:
            values.append(msgspec.convert(each, kind))
        except msgspec.ValidationError as error:
            problems.append(f"[[{name}]]: {error}")
    return tuple(values)
