"""A site in a folder: configuration, keys and a repository with one small generation."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner, Result

from haoscar_pxe.cli.main import program
from haoscar_pxe.image.signing import SigningKey
from tests.unit.boot import small_image

CONFIG = """
[paths]
repository = "images"
state = "state"
keys = "keys"
[serve]
interface = "eth1"
address = "10.77.0.1/24"
"""


def make(folder: Path) -> Path:
    """Make the site; returns its configuration file."""
    key = SigningKey.generate()
    (folder / "keys").mkdir()
    key.save(folder / "keys" / "signing.key")
    (folder / "keys" / "signing.pub").write_text(key.public.encode())
    small_image.make(folder / "images", key)
    (folder / "site.toml").write_text(CONFIG)
    return folder / "site.toml"


def call(config: Path, *words: str, stdin: str = "") -> Result:
    """Run `haoscar-pxe` with this configuration."""
    return CliRunner().invoke(program, ["--config", str(config), *words], input=stdin)
