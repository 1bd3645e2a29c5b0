"""Find the shared libraries that programs and extension modules need, as the loader would.

Sources: ld.so(8) for the order of search, ldconfig(8) for /etc/ld.so.conf. Files are read, never
run: `ldd` would run them, and needs a shell. LD_LIBRARY_PATH and /etc/ld.so.preload are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from haoscar_pxe.boot.elf import ElfError, Linkage, is_elf, linkage
from haoscar_pxe.errors import BootError

LOADER_CONFIG: Final = Path("/etc/ld.so.conf")
DEFAULT_FOLDERS: Final = ("/lib", "/usr/lib", "/lib64", "/usr/lib64")
"""What glibc searches last; Debian's multiarch folders stand in /etc/ld.so.conf."""


class LibraryMissingError(BootError):
    """A library that a program of the bundle needs is not on this machine."""

    def __init__(self, soname: str, needed_by: Path, folders: Iterable[Path]) -> None:
        searched = ", ".join(map(str, folders))
        super().__init__(
            f"{needed_by} needs {soname}, which is in none of {searched}",
            hint=f"install the package that holds {soname}; 'ldd {needed_by}' shows what is there",
        )


def libraries_of(files: Iterable[Path], config: Path = LOADER_CONFIG) -> dict[str, Path]:
    """The libraries that the files need, those that these need and so on, and the loader itself.

    Returns soname → file. Files that are not ELF (scripts) are passed over; so are libraries
    that are among the files. Raises LibraryMissingError, ElfError.
    """
    given = list(files)
    system = loader_folders(config)
    found: dict[str, Path] = {}
    waiting = list(given)
    while waiting:
        path = waiting.pop()
        for soname, library in _direct(path, system):
            if soname not in found and library not in given:
                found[soname] = library
                waiting.append(library)
    return found


def is_static(program: Path) -> bool:
    """Whether the program needs no loader. Raises ElfError."""
    return not linkage(program.read_bytes()).interpreter


def loader_folders(config: Path = LOADER_CONFIG) -> list[Path]:
    """Where the loader looks after a file's own run path: /etc/ld.so.conf, then the defaults."""
    texts = [*_configured(config), *DEFAULT_FOLDERS]
    return [folder for folder in dict.fromkeys(map(Path, texts)) if folder.is_dir()]


def _configured(config: Path) -> Iterator[str]:
    if not config.is_file():
        return
    for line in config.read_text().splitlines():
        words = line.partition("#")[0].split()
        if words[:1] == ["include"]:
            for pattern in words[1:]:
                for included in sorted(config.parent.glob(_below(pattern, config.parent))):
                    yield from _configured(included)
        elif words:
            yield words[0]


def _below(pattern: str, folder: Path) -> str:
    """An include's pattern relative to the folder of the file that has it (always /etc)."""
    return pattern.removeprefix(f"{folder}/").lstrip("/")


def _direct(path: Path, system: list[Path]) -> Iterator[tuple[str, Path]]:
    data = path.read_bytes()
    if not is_elf(data):
        return
    link = linkage(data)
    folders = [_expanded(text, path) for text in link.run_paths] + system
    # A library may name the loader among its needs (libc does): the search finds it like any.
    if link.interpreter:
        yield Path(link.interpreter).name, Path(link.interpreter)
    for soname in link.needed:
        library = next(_candidates(soname, folders, link), None)
        if library is None:
            raise LibraryMissingError(soname, path, folders)
        yield soname, library


def _expanded(run_path: str, path: Path) -> Path:
    origin = str(path.resolve().parent)
    return Path(run_path.replace("$ORIGIN", origin).replace("${ORIGIN}", origin))


def _candidates(soname: str, folders: list[Path], wanted: Linkage) -> Iterator[Path]:
    """Libraries of that name for the same kind of processor, first found first."""
    for folder in folders:
        path = folder / soname
        try:
            if path.is_file() and linkage(path.read_bytes()).machine == wanted.machine:
                yield path
        except ElfError:
            continue
