"""depmod's index of a kernel's modules: what depends on what, and which names lead to a module.

Sources: modules.dep(5), depmod.d(5), and libkmod for the form of modules.alias and
modules.softdep. The text files are read, not their binary twins (modules.dep.bin).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from haoscar_pxe.errors import BootError

WILDCARD: Final = re.compile(r"[*?[]")


@dataclass(frozen=True, slots=True)
class ModuleIndex:
    """What depmod found. Paths are relative to the kernel's folder of modules.

    dependencies: path → paths that must be loaded before it, the first of them last.
    aliases: (pattern, module name), as they stand. softdeps: module name → names or aliases to
    load before it, and after it.
    """

    dependencies: Mapping[str, tuple[str, ...]]
    aliases: tuple[tuple[str, str], ...]
    softdeps: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]

    def paths_of(self, name: str) -> list[str]:
        """Modules of this name, or those that an alias of this name leads to."""
        by_name = {module_name(path): path for path in self.dependencies}
        wanted = normalized(name)
        if wanted in by_name:
            return [by_name[wanted]]
        targets = [module for pattern, module in self.aliases if _matches(name, pattern)]
        return [by_name[module] for module in targets if module in by_name]

    def before(self, path: str) -> list[str]:
        """What a module asks to be loaded before it without depending on it (softdep pre)."""
        pre, _ = self.softdeps.get(module_name(path), ((), ()))
        return [found for name in pre for found in self.paths_of(name)]

    def after(self, path: str) -> list[str]:
        """What a module asks to be loaded after it (softdep post)."""
        _, post = self.softdeps.get(module_name(path), ((), ()))
        return [found for name in post for found in self.paths_of(name)]

    def closure(self, paths: Iterable[str]) -> set[str]:
        """The modules, all they depend on, and all they softly depend on."""
        found: set[str] = set()
        waiting = list(paths)
        while waiting:
            path = waiting.pop()
            if path not in found and path in self.dependencies:
                found.add(path)
                waiting += [*self.dependencies[path], *self.before(path), *self.after(path)]
        return found


def module_name(path: str) -> str:
    """A module's name by its path.

    >>> module_name("kernel/drivers/block/virtio-blk.ko.xz")
    'virtio_blk'
    """
    return normalized(path.rpartition("/")[2].partition(".ko")[0])


def normalized(name: str) -> str:
    """Names are the same whether written with - or with _ (modprobe(8))."""
    return name.replace("-", "_")


def parse_index(dependencies: bytes, aliases: bytes, softdeps: bytes) -> ModuleIndex:
    """Read modules.dep, modules.alias and modules.softdep. Raises BootError on a damaged one."""
    return ModuleIndex(
        dependencies=dict(_dependency(line) for line in _lines(dependencies)),
        aliases=tuple(_alias(line) for line in _lines(aliases)),
        softdeps=dict(_softdep(line) for line in _lines(softdeps)),
    )


def _matches(name: str, pattern: str) -> bool:
    # A kernel has 25,000 patterns, and compiling each of them would take seconds.
    return name.startswith(WILDCARD.split(pattern, 1)[0]) and fnmatchcase(name, pattern)


def _lines(text: bytes) -> list[str]:
    lines = (line.strip() for line in text.decode("utf-8", "replace").splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def _dependency(line: str) -> tuple[str, tuple[str, ...]]:
    path, colon, needed = line.partition(":")
    if not colon:
        raise BootError(f"modules.dep of the image is damaged at the line '{line[:80]}'")
    return path, tuple(needed.split())


def _alias(line: str) -> tuple[str, str]:
    # "alias PATTERN NAME"; a pattern of a DMI string may hold spaces.
    pattern, _, name = line.removeprefix("alias ").rpartition(" ")
    return pattern, normalized(name)


def _softdep(line: str) -> tuple[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    """Words before the first "pre:" or "post:" count as pre (libkmod)."""
    _, name, *words = line.split()
    pre: list[str] = []
    post: list[str] = []
    current = pre
    for word in words:
        if word in ("pre:", "post:"):
            current = pre if word == "pre:" else post
        else:
            current.append(word)
    return normalized(name), (tuple(pre), tuple(post))
