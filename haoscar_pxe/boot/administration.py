"""What administrators are told and may change by the API, without secrets in any answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from haoscar_pxe.boot.generations import Generations
from haoscar_pxe.nodes.administrators import Administrators
from haoscar_pxe.nodes.changing import (
    ArmRequest,
    Declaration,
    arm,
    declare,
    forget,
    read_body,
)
from haoscar_pxe.nodes.documents import public, with_timeline
from haoscar_pxe.nodes.registry import Registry
from haoscar_pxe.nodes.strangers import StrangerFile
from haoscar_pxe.nodes.timeline import TimelineFile


@dataclass(frozen=True, slots=True)
class SiteAdministration:
    """Answers over this site's own files (`serve.answers.Administration`).

    own_registry: the registry to change; it raises NodeError on the second server of two.
    """

    administrators: Administrators
    registry: Registry
    strangers_file: StrangerFile
    timeline: TimelineFile
    generations_of: Generations
    own_registry: Callable[[], Registry]

    @classmethod
    def of(
        cls,
        own_registry: Callable[[], Registry],
        registry: Registry,
        strangers: Path,
        timeline: Path,
        generations: Generations,
    ) -> SiteAdministration:
        """Over these files. Raises NodeError if one cannot be used."""
        return cls(
            Administrators(registry.path),
            registry,
            StrangerFile(strangers),
            TimelineFile(timeline),
            generations,
            own_registry,
        )

    def administrator(self, token: str) -> str | None:
        """See Administration."""
        return self.administrators.name_of(token)

    def nodes(self) -> bytes:
        """See Administration."""
        return msgspec.json.encode([public(each) for each in self.registry.nodes()])

    def node(self, name: str) -> bytes:
        """See Administration."""
        return msgspec.json.encode(with_timeline(self.registry, self.timeline, name))

    def declare(self, name: str, body: bytes) -> bytes:
        """See Administration."""
        said = read_body(body, Declaration)
        return msgspec.json.encode(public(declare(self.own_registry(), name, said)))

    def arm(self, name: str, body: bytes) -> bytes:
        """See Administration."""
        said = read_body(body or b"{}", ArmRequest)
        return msgspec.json.encode(public(arm(self.own_registry(), name, said)))

    def forget(self, name: str) -> bytes:
        """See Administration."""
        return msgspec.json.encode(public(forget(self.own_registry(), self.timeline, name)))

    def strangers(self) -> bytes:
        """See Administration."""
        found = self.strangers_file.all()
        return msgspec.json.encode([each for each in found if not self.registry.by_mac(each.mac)])

    def generations(self) -> bytes:
        """See Administration."""
        listing = self.generations_of.listing
        images = sorted(self.generations_of.images())
        return msgspec.json.encode({image: listing.generations(image) for image in images})
