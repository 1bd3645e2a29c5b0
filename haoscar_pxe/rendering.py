"""Files from templates: the site's own folder first, then those shipped with the package.

A template lies in a folder of its subject (`pxelinux/install`, `network/netplan.yaml`). A variable
that is not given is an error, never an empty string.
"""

from __future__ import annotations

from functools import lru_cache
from importlib import resources
from pathlib import Path

from jinja2 import (
    ChoiceLoader,
    Environment,
    FileSystemLoader,
    StrictUndefined,
    TemplateError,
    TemplateNotFound,
)

from haoscar_pxe.errors import ConfigError


@lru_cache(maxsize=4)
def _environment(site_folder: Path | None) -> Environment:
    shipped = FileSystemLoader(str(resources.files("haoscar_pxe") / "templates"))
    own = [FileSystemLoader(str(site_folder))] if site_folder else []
    return Environment(
        loader=ChoiceLoader([*own, shipped]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )


def render(name: str, values: dict[str, object], site_folder: Path | None = None) -> str:
    """The text of template `name` with these values.

    Raises ConfigError: no such template, a mistake in it, or a variable that is not given.
    """
    try:
        return _environment(site_folder).get_template(name).render(values)
    except TemplateNotFound as error:
        raise ConfigError(f"there is no template '{error.name}'") from error
    except TemplateError as error:
        where = f" in {site_folder} or the package" if site_folder else ""
        raise ConfigError(
            f"template '{name}'{where}: {error}", hint="correct it, or remove the site's own copy"
        ) from error
