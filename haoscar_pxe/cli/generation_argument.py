"""The argument IMAGE[@GENERATION], and the generation that it names, opened."""

from __future__ import annotations

import click

from haoscar_pxe.cli.site import Site
from haoscar_pxe.image.generation_name import GenerationName, parse_generation_name
from haoscar_pxe.image.manifest import Manifest

METAVAR = "IMAGE[@GENERATION]"


def generation_of(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> GenerationName | None:
    """What was typed, as a value: the callback of such an argument. Raises RepositoryError."""
    return None if value is None else parse_generation_name(value)


generation_argument = click.argument("named", metavar=METAVAR, callback=generation_of)


def manifest_of(site: Site, named: GenerationName) -> Manifest:
    """The verified manifest. Raises RepositoryError, IntegrityError, StorageError."""
    return site.repository.manifest(named.image, named.generation, site.trusted)


def title(manifest: Manifest) -> str:
    """How the generation is written, so that it can be typed again."""
    return str(GenerationName(manifest.image, manifest.generation))
