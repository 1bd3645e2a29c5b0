"""The keys that an order brings for an image's secrets, checked before anything is touched."""

from __future__ import annotations

from collections.abc import Sequence

from haoscar_pxe.errors import SealedError
from haoscar_pxe.image.manifest import Manifest
from haoscar_pxe.image.sealing import OpeningKey, OpeningKeys


def opening_keys(lines: Sequence[str], manifest: Manifest) -> OpeningKeys:
    """What opens the generation's secrets, from an order. Raises SealedError if one is missing."""
    keys = OpeningKeys.of(*(OpeningKey.decode(manifest.image, each, "the order") for each in lines))
    missing = keys.missing(manifest.sealing_keys)
    if missing:
        raise SealedError(
            f"the order does not bring the opening key {missing[0].hex()[:12]}, by which "
            f"{manifest.sealed_files} files of {manifest.image} are sealed",
            hint="look at 'haoscar-pxe key seal list' on the image server",
        )
    return keys
