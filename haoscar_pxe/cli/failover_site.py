"""What the failover commands know of the site: one section of the configuration, nothing else.

So they run on a head from the agent bundle, without the rest of the program.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import update_wrapper
from pathlib import Path
from typing import Any, Concatenate, Final, ParamSpec, Protocol, TypeVar

import click

from haoscar_pxe.config_failover import FailoverConfig, read_failover

CONFIG: Final = Path("/etc/haoscar-pxe/haoscar-pxe.toml")
P = ParamSpec("P")
R = TypeVar("R")


class FailoverSite(Protocol):
    """Whatever knows the section: the whole site, or a head."""

    @property
    def failover(self) -> FailoverConfig:
        """The section. Raises ConfigError."""
        ...


@dataclass(frozen=True, slots=True)
class HeadSite:
    """A head that has the configuration file and nothing else of the site."""

    path: Path = CONFIG

    @property
    def failover(self) -> FailoverConfig:
        """See FailoverSite."""
        return read_failover(self.path)


def pass_failover(command: Callable[Concatenate[FailoverConfig, P], R]) -> Callable[P, R]:
    """Give a command the section as its first argument."""

    @click.pass_context
    def with_section(context: click.Context, *args: Any, **options: Any) -> R:
        site: FailoverSite = context.obj
        return context.invoke(command, site.failover, *args, **options)

    return update_wrapper(with_section, command)
