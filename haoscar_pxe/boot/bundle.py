"""The agent bundle: one folder that runs our Python code on a machine that has none of its own.

    CACHE/<bundle id>/           (CACHE is a build cache: see build_cache.py)
        init                     first process of the initramfs
        bin/python3, busybox, …  programs
        lib/ld-linux-….so.2, …   the loader and every shared library
        lib/python3.11/          compiled modules, extension modules

A bundle's id is the BLAKE3 hash of the files it is made from, so it is the same on each machine
with the same packages, and the same code is never built twice. Nothing in it knows where it lies:
`lib/ld-linux-x86-64.so.2 --library-path lib bin/python3 -I -S -m …` runs it from any folder.
Needs no root and starts no program.
"""

from __future__ import annotations

import py_compile
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from blake3 import blake3

from haoscar_pxe.boot.build_cache import opened
from haoscar_pxe.boot.bundle_contents import Source, bundle_contents, check_busybox
from haoscar_pxe.boot.elf import is_elf, without_symbols
from haoscar_pxe.errors import BootError

RECIPE: Final = "haoscar-pxe bundle 1"
"""Changes whenever the same files would be made into a bundle differently."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle on this machine. id: 64 hexadecimal digits. folder: complete, never changed."""

    id: str
    folder: Path


def build_bundle(cache_folder: Path, sources: Sequence[Source] | None = None) -> Bundle:
    """The bundle made of this machine's files as they are now; built only if not yet in the cache.

    Half-built leftovers of a killed run are removed. Raises MissingToolError or BootError for
    what this machine lacks or the cache cannot hold.
    """
    wanted = bundle_contents() if sources is None else sources
    check_busybox(wanted)
    bundle_id = _content_id(wanted)
    with opened(cache_folder, "the agent bundle") as cache:
        folder = cache.make(bundle_id, lambda target: _build(wanted, bundle_id, target))
    return Bundle(bundle_id, folder)


def bundle_files(bundle: Bundle) -> Iterator[tuple[str, Path]]:
    """All files of a bundle, (name relative to its root, where it is), ordered by name."""
    found = (path for path in bundle.folder.rglob("*") if path.is_file())
    return iter(sorted((path.relative_to(bundle.folder).as_posix(), path) for path in found))


def _content_id(sources: Sequence[Source]) -> str:
    """Of what goes in, not of what comes out: compiled modules vary from one run to the next."""
    digest = blake3(f"{RECIPE}\0{sys.version}\0".encode())
    for source in sources:
        content = source.path.read_bytes()
        digest.update(f"{source.target}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def _build(sources: Sequence[Source], bundle_id: str, folder: Path) -> None:
    for source in sources:
        _put(source, folder / source.target)
    if _content_id(sources) != bundle_id:
        raise BootError(
            "files of this machine changed while the agent bundle was made of them",
            hint="run it again when the installation of packages has ended",
        )


def _put(source: Source, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.path.suffix == ".py":
        _compile(source, target.with_suffix(".pyc"))
        return
    content = source.path.read_bytes()
    target.write_bytes(without_symbols(content) if is_elf(content) else content)
    target.chmod(0o755 if source.is_program else 0o644)


def _compile(source: Source, target: Path) -> None:
    """A module without its source, loaded unchecked: no stat, no hash, no docstrings.

    Starting the agent from sources takes four times the processor time.
    """
    try:
        py_compile.compile(
            str(source.path),
            cfile=str(target),
            dfile=source.target,
            doraise=True,
            optimize=2 if _is_library(source) else 0,
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        )
    except py_compile.PyCompileError as error:
        raise BootError(f"{source.path} cannot be compiled: {error.msg}") from error


def _is_library(source: Source) -> bool:
    """Other people's code goes without docstrings; ours keeps its assertions."""
    return "/haoscar_pxe/" not in source.target
