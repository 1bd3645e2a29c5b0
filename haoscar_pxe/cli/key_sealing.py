"""`haoscar-pxe key seal`: the keys that seal and open the secrets of an image."""

from __future__ import annotations

import click

from haoscar_pxe.cli.output import json_option, print_json, print_table
from haoscar_pxe.cli.site import Site, pass_site
from haoscar_pxe.image.repository import check_image_name


@click.group()
def seal() -> None:
    """Sealing keys: captures seal secrets by the newest; the private halves open them."""


@seal.command("list")
@json_option
@pass_site
def list_keys(site: Site, as_json: bool) -> None:
    """All sealing keys of all images, and whether the opening key is here."""
    folder = site.sealing_keys
    rows = []
    for image in folder.images():
        public, private = folder.sealing_keys(image), folder.opening_keys(image)
        for number, key in public.items():
            rows.append(
                {
                    "image": image,
                    "number": number,
                    "key_id": key.key_id.hex(),
                    "seals": number == max(public),
                    "opens_here": number in private,
                }
            )
    if as_json:
        print_json(rows)
        return
    words = [
        [
            str(row["image"]),
            str(row["number"]),
            str(row["key_id"])[:12],
            "seals new captures" if row["seals"] else "opens old ones",
            "here" if row["opens_here"] else "not here",
        ]
        for row in rows
    ]
    print_table(["IMAGE", "NUMBER", "KEY", "USE", "OPENING KEY"], words)


@seal.command()
@click.argument("image")
@pass_site
def rotate(site: Site, image: str) -> None:
    """Make a new sealing key for IMAGE: the next capture seals every secret anew.

    Older generations stay sealed by the keys before, which are kept to open them. Whoever had an
    old opening key keeps what it opened: change the secrets themselves on the head, capture, and
    prune the generations that hold the old ones.
    """
    check_image_name(image)
    folder = site.sealing_keys
    made = folder.add(image)
    number = max(folder.sealing_keys(image))
    click.echo(f"made     {folder.path / image / str(number)}.key ({made.key_id.hex()[:12]})")
    click.echo("         keep a copy where this machine's death spares it")
    click.echo(f"next     haoscar-pxe capture {image}; it seals every secret by the new key")
