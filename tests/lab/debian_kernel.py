"""A kernel of Debian's with its modules, unpacked into a folder as an installed head has them."""

from __future__ import annotations

import re
from pathlib import Path

from haoscar_pxe.command import run
from tests.unit.boot.folder_files import FolderFiles

DOWNLOAD_S = 300.0


def debian_kernel(
    folder: Path, package: str = "linux-image-cloud-amd64"
) -> tuple[str, FolderFiles]:
    """Fetch the kernel that the package stands for; its release and its tree.

    Needs apt's package lists and no root.
    """
    depends = run(["apt-cache", "depends", "--important", package]).text
    found = re.search(r"Depends: (linux-image-(\d\S+))", depends)
    assert found is not None, depends
    name, release = found.groups()
    tree = folder / "tree"
    for wanted in (name, "kmod"):
        _unpack(wanted, folder, tree)
    # Installing the package would run it; the index belongs to the head, not to the package.
    (folder / "depmod").symlink_to(tree / "bin/kmod")
    run([str(folder / "depmod"), "-b", str(tree), release])
    return release, FolderFiles(tree)


def _unpack(package: str, folder: Path, tree: Path) -> None:
    fetch = f"cd {folder} && apt-get download -q -o APT::Sandbox::User=root {package}"
    run(["sh", "-c", fetch], timeout_s=DOWNLOAD_S)
    (archive,) = folder.glob(f"{package}_*.deb")
    run(["dpkg-deb", "--extract", str(archive), str(tree)])
    archive.unlink()
