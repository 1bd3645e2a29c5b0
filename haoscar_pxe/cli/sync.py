"""`haoscar-pxe sync --from`: this repository becomes what another one is."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import click

from haoscar_pxe.cli.output import json_option, print_json, size
from haoscar_pxe.cli.progress import watched
from haoscar_pxe.cli.site import Site, pass_site
from haoscar_pxe.cli.token import read_token
from haoscar_pxe.errors import ConfigError
from haoscar_pxe.image.http_store import HttpStore
from haoscar_pxe.image.mirror import Mirror
from haoscar_pxe.image.mirror_record import MirrorRecord, write_record
from haoscar_pxe.image.origin import FolderOrigin, HttpOrigin, Origin

log = logging.getLogger(__name__)

PATIENCE_S = 60


@click.command()
@click.option(
    "--from", "where", required=True, metavar="URL|FOLDER", help="The repository to mirror."
)
@click.option(
    "--token-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Holds what 'haoscar-pxe mirror add' printed there. For a URL.",
)
@click.option("--patience", default=PATIENCE_S, show_default=True, metavar="SECONDS")
@click.argument("images", nargs=-1, metavar="[IMAGE]…")
@json_option
@pass_site
def sync(
    site: Site,
    where: str,
    token_file: Path | None,
    patience: int,
    images: tuple[str, ...],
    as_json: bool,
) -> None:
    """Take all generations of another repository that are not here, of all images or of some.

    Each byte is checked, also that a key which is trusted here has signed it; a generation exists
    here only when all of it does. Cut off or killed, it is run again and goes on. What was pruned
    there stays here. On a standby, 'haoscar-pxe sync' is another command: it brings the standby
    itself up to date.
    """
    with (
        _origin(where, token_file, patience) as origin,
        watched(f"mirroring {where}", quiet=as_json) as progress,
    ):
        report = Mirror(origin, site.repository, site.trusted, progress).run(images)
    newest = {image: numbers[-1] for image, numbers in report.offered.items()}
    record = MirrorRecord(where, str(token_file or ""), time.time_ns(), newest)
    write_record(Path(site.config.paths.state), record)
    if as_json:
        print_json(report)
        return
    for image, number in report.taken:
        click.echo(f"took {image}@{number}")
    click.echo(
        f"{len(report.taken)} generations taken, {report.was_there} were here; "
        f"{report.packs} packs, {size(report.fetched_bytes)}"
    )


@contextmanager
def _origin(where: str, token_file: Path | None, patience_s: int) -> Iterator[Origin]:
    if not where.startswith(("http://", "https://")):
        yield FolderOrigin(Path(where))
        return
    if token_file is None:
        raise ConfigError(
            f"{where} wants a token",
            hint="'haoscar-pxe mirror add NAME' there prints one; give --token-file FILE",
        )
    server = HttpStore(
        where,
        read_token(token_file),
        patience_s=patience_s,
        on_wait=lambda reason: log.info("waiting: %s", reason),
    )
    with closing(server):
        yield HttpOrigin(server)
