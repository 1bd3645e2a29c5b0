"""What belongs in an agent bundle: which file of this machine goes where.

Python is the interpreter that runs this, the standard library is its own, packages are the ones
it imports. All Python code lies in one folder, `lib/pythonX.Y`: `python3 -I -S` then looks into
a single folder at each import, and `site` (0.2 s under emulation) is not needed.
It lists files; `bundle.py` copies them.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import haoscar_pxe
from haoscar_pxe.boot.shared_libraries import is_static, libraries_of
from haoscar_pxe.errors import BootError, MissingToolError

PYTHON_FOLDER: Final = f"lib/python{sys.version_info.major}.{sys.version_info.minor}"

PACKAGES: Final = (
    "_cffi_backend",
    "blake3",
    "click",
    "cryptography",
    "msgspec",
    "pyfastcdc",
    "typing_extensions",
    "zstandard",
)
"""What `image`, `capture`, `install` and a standby's own command import, and what these packages
import themselves."""

OWN_CODE: Final = (
    "__init__.py",
    "errors.py",
    "command.py",
    "config_failover.py",
    "config_section.py",
    "capture",
    "cli/__init__.py",
    "cli/failover_head.py",
    "cli/failover_site.py",
    "cli/json_document.py",
    "cli/lines.py",
    "cli/monitor.py",
    "cli/standby.py",
    "cli/standby_plan.py",
    "image",
    "install",
    "monitor",
    "nodes",
    "wire",
)

PROGRAMS: Final = {
    "busybox": "busybox-static",
    "sfdisk": "fdisk",
    "mke2fs": "e2fsprogs",
    "mkswap": "util-linux",
    "blkid": "util-linux",
    "lsblk": "util-linux",
    "dumpe2fs": "e2fsprogs",
}
"""Programs that an installation or the capture of a bare head cannot do without, and the Debian
package that has them."""

MORE_PROGRAMS: Final = ("e2fsck", "mkfs.vfat", "resize2fs", "tune2fs", "wipefs")
"""Taken along where this machine has them."""

SYSTEM_FOLDERS: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""An ordinary user's PATH often lacks the folders of sfdisk and mke2fs."""

LEFT_OUT: Final = re.compile(
    r"""
    (.*/)? (__pycache__ | tests? | idle_test | config-[^/]*) (/.*)?
    | (curses | dbm | distutils | ensurepip | idlelib | lib2to3 | msilib | pydoc_data | sqlite3
       | tkinter | turtledemo | unittest | venv | wsgiref | xml | xmlrpc) (/.*)?
    | (_pydecimal | antigravity | doctest | pdb | pydoc | this | turtle)\.py
    | encodings/(big5|cp|euc|gb|hp|hz|iso|johab|koi|kz|mac|ptcp|shift|tis).*
    | lib-dynload/(_?test|_?xx|_codecs_|_ctypes_test|_multibytecodec).*
    | lib-dynload/(_bz2|_crypt|_curses|_dbm|_gdbm|_hashlib|_lzma|_sqlite3|_ssl|_tkinter).*
    | lib-dynload/(audioop|nis|ossaudiodev|readline)\..*
    | cryptography/x509/.* | cryptography/fernet\.py
    | zstandard/(_cffi\..*|backend_cffi\.py)
    | haoscar_pxe/monitor/head_(files|install)\.py
    """,
    re.VERBOSE,
)
"""Names below the Python folder that no installation, capture or head needs.

TLS and OpenSSL's hashes (_ssl, _hashlib: 5 MB) are among them: the agent speaks plain HTTP and
checks signatures and BLAKE3; hashlib has its own SHA-2.
"""


@dataclass(frozen=True, slots=True)
class Source:
    """One file of the bundle. target: relative to its root. path: where it is on this machine."""

    target: str
    path: Path

    @property
    def is_program(self) -> bool:
        """Whether it must be executable: programs, the loader, the first process."""
        return self.target.startswith(("bin/", "lib/ld")) or self.target == "init"


def bundle_contents() -> list[Source]:
    """All files of a bundle built on this machine, by target.

    Raises MissingToolError or BootError for what is not installed here.
    """
    code = [*_standard_library(), *_packages(), *_own_code()]
    binaries = [Source("bin/python3", _interpreter()), *_programs()]
    elf_files = [s.path for s in (*code, *binaries) if s.path.suffix != ".py"]
    libraries = [Source(f"lib/{name}", path) for name, path in libraries_of(elf_files).items()]
    init = Source("init", Path(haoscar_pxe.__file__).parent / "install" / "init")
    return sorted((*code, *binaries, *libraries, init), key=lambda source: source.target)


def _interpreter() -> Path:
    """The real interpreter: sys.executable is a symbolic link in a virtual environment."""
    return Path(sys.executable).resolve()


def _standard_library() -> list[Source]:
    folder = Path(sysconfig.get_path("stdlib"))
    inside = _code_below(folder, folder)
    # Where a distribution keeps packages inside its standard library, they are not part of it.
    return [s for s in inside if "-packages/" not in s.target]


def _packages() -> Iterator[Source]:
    for name in PACKAGES:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            raise BootError(
                f"the Python package '{name}' is not installed for {sys.executable}",
                hint=f"{sys.executable} -m pip install {name}",
            )
        origin = Path(spec.origin)
        if spec.submodule_search_locations is None:
            yield Source(f"{PYTHON_FOLDER}/{origin.name}", origin)
        else:
            yield from _code_below(origin.parent, origin.parent.parent)


def _own_code() -> Iterator[Source]:
    top = Path(haoscar_pxe.__file__).parent
    for name in OWN_CODE:
        yield from _code_below(top / name, top.parent)


def _code_below(path: Path, root: Path) -> Iterator[Source]:
    """Modules and extension modules below path, named relative to root, without LEFT_OUT."""
    found = sorted(path.rglob("*")) if path.is_dir() else [path]
    for file in _code_files(found):
        name = file.relative_to(root).as_posix()
        if not LEFT_OUT.fullmatch(name):
            yield Source(f"{PYTHON_FOLDER}/{name}", file)


def _code_files(paths: Iterable[Path]) -> Iterator[Path]:
    return (path for path in paths if path.suffix in (".py", ".so") and path.is_file())


def _programs() -> Iterator[Source]:
    for name, package in PROGRAMS.items():
        path = shutil.which(name, path=SYSTEM_FOLDERS)
        if path is None:
            raise MissingToolError(
                f"the installer needs the program '{name}', which is not on this machine",
                hint=f"apt install {package}",
            )
        yield Source(f"bin/{name}", Path(path))
    for name in MORE_PROGRAMS:
        path = shutil.which(name, path=SYSTEM_FOLDERS)
        if path is not None:
            yield Source(f"bin/{name}", Path(path))


def check_busybox(sources: Iterable[Source]) -> None:
    """Raise MissingToolError if busybox is the kind that needs libraries: it starts before them."""
    for source in sources:
        if source.target == "bin/busybox" and not is_static(source.path):
            raise MissingToolError(
                f"{source.path} is not statically linked", hint="apt install busybox-static"
            )
