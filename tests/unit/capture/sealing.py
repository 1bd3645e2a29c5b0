"""The key that captures of tests seal by, and what opens it; the rules are those that ship."""

from __future__ import annotations

from haoscar_pxe.capture.files.secrets import Sealing, SecretRules
from haoscar_pxe.image.sealing import OpeningKey, OpeningKeys

OPENING = OpeningKey("primary", bytes(range(32)))
RING = OpeningKeys.of(OPENING)
SEALING = Sealing(OPENING.public, SecretRules())
