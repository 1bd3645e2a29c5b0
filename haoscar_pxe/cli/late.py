"""A group of commands of which each is imported when it is asked for.

Importing all of them takes longer than a capture in which nothing changed: servers and packet
libraries are of no use to it.
"""

from __future__ import annotations

from importlib import import_module

import click

PACKAGE = "haoscar_pxe.cli"


class LateGroup(click.Group):
    """Commands by name; that of `name` is `name` in the module `haoscar_pxe.cli.name`."""

    late: tuple[str, ...] = ()

    def list_commands(self, ctx: click.Context) -> list[str]:
        """See click.Group."""
        return sorted({*self.late, *super().list_commands(ctx)})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """See click.Group."""
        if cmd_name in self.late and cmd_name not in self.commands:
            command = getattr(import_module(f"{PACKAGE}.{cmd_name}"), cmd_name)
            assert isinstance(command, click.Command)
            self.add_command(command)
        return super().get_command(ctx, cmd_name)
