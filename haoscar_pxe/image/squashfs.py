"""A generation as a squashfs file system: mksquashfs(1) reads our tar archive from a pipe.

What squashfs cannot hold is lost: fractions of seconds, times before 1970, POSIX ACLs; and so are
the root folder's own time and xattrs, for mksquashfs passes over the root of an archive.
"""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Iterable
from pathlib import Path
from subprocess import Popen
from typing import BinaryIO, Final

from haoscar_pxe.command import converse, last_words
from haoscar_pxe.errors import CommandError, MissingToolError
from haoscar_pxe.image.entry import Directory, Entry
from haoscar_pxe.image.export import export_tar
from haoscar_pxe.image.manifest import Manifest
from haoscar_pxe.image.progress import Progress
from haoscar_pxe.image.reader import ChunkReader
from haoscar_pxe.image.tree import MalformedTreeError

OPTIONS: Final = ("-tar", "-quiet", "-no-progress", "-comp", "zstd", "-Xcompression-level", "3")
HINT: Final = "apt install squashfs-tools (4.5 or newer)"


def export_squashfs(
    manifest: Manifest,
    chunks: ChunkReader,
    file: Path,
    progress: Progress,
    source: Iterable[Entry] | None = None,
) -> tuple[bytes, ...]:
    """Write the generation as a squashfs into a file that is not there yet; what tar cannot hold.

    Raises MissingToolError, CommandError, and what `export_tar` raises; what is in the file then
    is of no use.
    """
    argv = ["mksquashfs", "-", str(file), *OPTIONS, *_root_options(manifest, chunks)]
    with tempfile.TemporaryFile() as errors:
        process = _start(argv, errors)
        try:
            left_out = _feed(process, manifest, chunks, progress, source)
        finally:
            process.kill()
            process.wait()
        if process.returncode != 0:
            errors.seek(0)
            words = last_words(errors.read())
            raise CommandError(
                f"exit status {process.returncode}: {shlex.join(argv)}\n{words}",
                hint="is the disk full? is squashfs-tools 4.5 or newer?",
                status=process.returncode,
                last_words=words,
            )
    return left_out


def _root_options(manifest: Manifest, chunks: ChunkReader) -> tuple[str, ...]:
    root = chunks.page(manifest.pages[0])[0]
    if not isinstance(root, Directory):
        raise MalformedTreeError(root.path, "the first entry must be the root folder")
    meta = root.meta
    owner = ("-root-uid", str(meta.uid), "-root-gid", str(meta.gid))
    return ("-root-mode", f"{meta.mode:o}", *owner)


def _start(argv: list[str], errors: BinaryIO) -> Popen[bytes]:
    try:
        return converse(argv, errors)
    except MissingToolError as error:
        raise MissingToolError(str(error), hint=HINT) from error


def _feed(
    process: Popen[bytes],
    manifest: Manifest,
    chunks: ChunkReader,
    progress: Progress,
    source: Iterable[Entry] | None,
) -> tuple[bytes, ...]:
    """Give it the archive and wait for its end, which comes early if it cannot go on."""
    assert process.stdin is not None
    assert process.stdout is not None
    left_out: tuple[bytes, ...] = ()
    with process.stdout as said:
        try:
            with process.stdin as archive:
                left_out = export_tar(
                    manifest, chunks, archive.write, progress, source=source, for_mksquashfs=True
                )
        except BrokenPipeError:
            pass  # its exit status and its last words say why
        said.read()
    process.wait()
    return left_out
