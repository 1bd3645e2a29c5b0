"""`haoscar-pxe key list | rotate | trust | retire`: who signs generations, and who is believed."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import click

from haoscar_pxe.cli.output import json_option, print_json, print_table
from haoscar_pxe.cli.site import Site, pass_site
from haoscar_pxe.errors import ConfigError, IntegrityError
from haoscar_pxe.image.signing import PublicKey
from haoscar_pxe.image.signing_keys import SIGNING_KEY, short_id


@click.command("list")
@json_option
@pass_site
def list_keys(site: Site, as_json: bool) -> None:
    """The keys that are trusted, which of them signs, and what each has signed."""
    signs, signed = site.signer.public, _signed(site)
    rows = [
        {"key_id": key.key_id.hex(), "signs": key == signs, "generations": signed[key.key_id.hex()]}
        for key in site.trusted.keys.values()
    ]
    if as_json:
        print_json(rows)
        return
    words = [
        [
            str(row["key_id"])[:16],
            "signs new captures" if row["signs"] else "believed",
            _listed(signed[str(row["key_id"])]),
        ]
        for row in rows
    ]
    print_table(["KEY", "USE", "HAS SIGNED"], words)


@click.command()
@pass_site
def rotate(site: Site) -> None:
    """Sign new captures with a new key.

    What the key before has signed stays readable until that key is retired. Give the new .pub file
    to standbys that were installed before (docs/keys.md): they believe only the keys they know.
    """
    before = site.signing_keys.signer.public
    made = site.signing_keys.rotate()
    folder = site.signing_keys.path
    click.echo(f"made     {folder / SIGNING_KEY} ({short_id(made.public)})")
    click.echo("         keep a copy where this machine's death spares it")
    click.echo(f"trusted  {short_id(before)} as well, until 'haoscar-pxe key retire'")
    click.echo("next     systemctl restart haoscar-pxe, so that new installations know the key")


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@pass_site
def trust(site: Site, file: Path) -> None:
    """Believe generations that were signed by the key in FILE, another site's .pub."""
    try:
        key = PublicKey.decode(file.read_text(), str(file))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the key {file}: {error}") from error
    click.echo(f"trusted  {site.signing_keys.trust(key)}")


@click.command()
@click.argument("key_id", metavar="KEY")
@click.option("--yes", is_flag=True, help="Also if generations cannot be read any more then.")
@pass_site
def retire(site: Site, key_id: str, yes: bool) -> None:
    """Believe KEY no more: the beginning of an id, as 'key list' shows it.

    What it has signed cannot be read, restored or installed any more, until it is trusted again.
    """
    key = site.signing_keys.find(key_id)
    lost = _signed(site)[key.key_id.hex()]
    if lost and not yes:
        raise ConfigError(
            f"key {short_id(key)} has signed {_listed(lost)}, which nobody could read any more",
            hint="capture anew and prune these first, or say --yes",
        )
    site.signing_keys.retire(key)
    click.echo(f"retired  {short_id(key)}")


def _signed(site: Site) -> dict[str, list[str]]:
    """Names of generations by the key that signed them, as far as they are readable now."""
    signed: dict[str, list[str]] = defaultdict(list)
    repository = site.repository
    for image in repository.images():
        for number in repository.generations(image):
            try:
                manifest = repository.manifest(image, number, site.trusted)
            except IntegrityError:
                continue
            signed[manifest.signed_by].append(f"{image}@{number}")
    return signed


def _listed(names: list[str]) -> str:
    if len(names) <= 4:
        return ", ".join(names) or "nothing"
    return f"{len(names)} generations, {names[0]} to {names[-1]}"
