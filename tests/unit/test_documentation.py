"""What the documentation tells people to type exists, with these options and arguments."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

import haoscar_pxe
from haoscar_pxe.cli.main import program

TOP = Path(haoscar_pxe.__file__).parents[1]
PAGES = [TOP / "README.md", *sorted((TOP / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(?:sh|console)\n(.*?)^```", re.DOTALL | re.MULTILINE)


def commands() -> list[tuple[str, str]]:
    found = []
    for page in PAGES:
        for block in BLOCK.findall(page.read_text()):
            lines = block.replace("\\\n", " ").splitlines()
            words = [line.strip().removeprefix("$ ").removeprefix("# ") for line in lines]
            found += [(page.name, line) for line in words if line.startswith("haoscar-pxe ")]
    return found


@pytest.mark.parametrize(("page", "line"), commands())
def test_a_documented_command_can_be_typed(
    page: str, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = shlex.split(line, comments=True)[1:]
    command: click.Command = program
    context = click.Context(program)
    while isinstance(command, click.Group):
        while words[0].startswith("-"):
            words = words[1:] if words[0] in ("-v", "--verbose") else words[2:]
        name, found, words = command.resolve_command(context, words)
        assert found is not None, f"{page}: {line}"
        command, context = found, click.Context(found, info_name=name)
    for parameter in command.params:
        if isinstance(parameter.type, click.Path):
            # The paths of an example need not be on this machine.
            monkeypatch.setattr(parameter, "type", click.Path())
    command.parse_args(context, words)


def test_there_are_documented_commands() -> None:
    assert len([line for page, line in commands() if page == "README.md"]) > 8


def test_every_page_that_is_referred_to_exists() -> None:
    for page in PAGES:
        for name in re.findall(r"`((?:docs|templates)/[\w./-]+\w)`", page.read_text()):
            assert (TOP / name).exists(), f"{page.name} refers to {name}"
