"""The file that holds another server's token."""

from __future__ import annotations

from pathlib import Path

from haoscar_pxe.errors import ConfigError


def read_token(path: Path) -> str:
    """What 'haoscar-pxe mirror add' printed there. Raises ConfigError if it cannot be read."""
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the token in {path}: {error}") from error
