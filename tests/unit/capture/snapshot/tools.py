"""Storage tools that are not here: they answer as a test says, and what was asked is kept."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from haoscar_pxe.capture.snapshot.listings import Volume
from haoscar_pxe.command import Finished
from haoscar_pxe.errors import CommandError


class Tools:
    """A `Run`. answers: by the program's name. failing: commands with such a word fail."""

    def __init__(
        self, answers: Mapping[str, bytes] | None = None, failing: Sequence[str] = ()
    ) -> None:
        self._answers = answers or {}
        self._failing = failing
        self.ran: list[list[str]] = []

    def __call__(self, argv: Sequence[str], *, stdin: bytes = b"", hint: str = "") -> Finished:
        self.ran.append(list(argv))
        if any(word in argument for word in self._failing for argument in argv):
            raise CommandError(f"exit status 5: {' '.join(argv)}", status=5)
        return Finished(self._answers.get(argv[0], b""), b"")


def lvs(*volumes: Volume) -> bytes:
    """What lvs prints of these volumes."""
    rows = [
        {
            "vg_name": volume.group,
            "lv_name": volume.name,
            "lv_kernel_major": str(volume.number[0]),
            "lv_kernel_minor": str(volume.number[1]),
            "lv_attr": volume.attributes,
            "lv_size": str(volume.size_bytes),
            "pool_lv": volume.pool,
            "data_percent": f"{volume.used_percent:.2f}",
            "lv_tags": ",".join(volume.tags),
        }
        for volume in volumes
    ]
    return json.dumps({"report": [{"lv": rows}]}).encode()
