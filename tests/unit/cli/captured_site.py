"""A site with an image of a real tree, for the commands that look into generations."""

from __future__ import annotations

import os
from pathlib import Path

from tests.unit.cli.site_folder import call, make


def make_captured(folder: Path) -> tuple[Path, Path]:
    """Make a site and the tree that is its image `head`; configuration file and tree."""
    config = make(folder)
    tree = folder / "tree"
    (tree / "etc/ssh").mkdir(parents=True)
    (tree / "etc/hostname").write_text("head\n")
    (tree / "etc/ssh/sshd_config").write_text("PermitRootLogin no\n")
    (tree / "etc/name").symlink_to("/etc/hostname")
    os.link(tree / "etc/hostname", tree / "etc/zz-hostname")
    with (tree / "disk").open("wb") as file:
        file.truncate(3 << 20)
        file.seek(1 << 20)
        file.write(b"in the middle")
    capture(config, tree)
    return config, tree


def capture(config: Path, tree: Path) -> None:
    """Capture the tree as the next generation of `head`."""
    result = call(config, "capture", "head", "--root", str(tree))
    assert result.exit_code == 0, result.output
