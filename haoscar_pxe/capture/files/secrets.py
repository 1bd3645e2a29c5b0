"""Which files are secrets, by path and by content: pure, asked for one file after the other.

A glob that begins with "/" is a whole path, any other the last names of a path at any depth.
"*" and "?" stay within a name, "**" does not.

By content a text below 1 MiB is a secret that holds a private key (the line that begins one in
RFC 7468 and its relatives) or, outside of /usr, a password hash as crypt(5) writes it behind a
user's name. So a key under a strange name, and a copy of /etc/shadow, are found.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from blake3 import blake3

from haoscar_pxe.capture.files.secret_defaults import DEFAULTS
from haoscar_pxe.image.sealing import SealingKey

TEXT_BYTES: Final = 1024
"""A NUL in so many first bytes makes a file none that is looked into."""
PROGRAMS: Final = b"usr/"
"""Most of a tree's text, and no place for passwords: searching it would cost 4 % of a capture."""
BY_CONFIGURATION: Final = "the configuration says so"

_KEY_HINT: Final = b"PRIVATE KEY"
_KEY: Final = re.compile(
    rb"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----\s*(?:\r?\n|\\n|\\r\\n|$)"
)
"""The line that begins one; in JSON its end is written as \\n."""
_HASH: Final = re.compile(
    rb"^[^:\s]{1,64}:!?\$(?:1|2[abxy]?|5|6|7|y|gy|apr1|md5|sha1)[$,][./0-9A-Za-z$=,+-]{8}", re.M
)


@dataclass(frozen=True, slots=True)
class SecretRules:
    """What the site says beside the shipped list. add, remove: globs; remove wins.

    by_content: whether files are looked into.
    """

    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    by_content: bool = True

    @property
    def id(self) -> bytes:
        """32 bytes that differ where other files may be secrets, after an upgrade too."""
        return blake3(repr((self, DEFAULTS, _KEY.pattern, _HASH.pattern)).encode()).digest()


@dataclass(frozen=True, slots=True)
class Sealing:
    """What a capture seals, and by which key."""

    key: SealingKey
    rules: SecretRules


class Secrets:
    """Answers by rules that are compiled once. Paths are relative, as in entries."""

    def __init__(self, rules: SecretRules) -> None:
        self._rules = rules
        self._removed = _Globs(rules.remove)
        self._all = _Globs((*rules.add, *(glob for _, globs in DEFAULTS for glob in globs)))

    def is_path(self, path: bytes) -> bool:
        """Whether a file at path is a secret, whatever is in it."""
        return self._all.match(path) and not self._removed.match(path)

    def is_content(self, path: bytes, pieces: Iterable[bytes]) -> bool:
        """Whether these bytes of the file at path, which is below 1 MiB, make it a secret."""
        if not self._rules.by_content:
            return False
        has_secret = _holds_key if path.startswith(PROGRAMS) else _holds_secret
        return any(map(has_secret, pieces)) and not self._removed.match(path)

    def reason(self, path: bytes) -> str:
        """Why a sealed file is sealed, in words."""
        if self.is_path(path):
            return next(reason for reason, globs in self._reasons if globs.match(path))
        return "a private key or a password hash is in it, or it has a name that is a secret's"

    @cached_property
    def _reasons(self) -> list[tuple[str, _Globs]]:
        groups = ((BY_CONFIGURATION, self._rules.add), *DEFAULTS)
        return [(reason, _Globs(globs)) for reason, globs in groups]


def _holds_secret(data: bytes) -> bool:
    r"""Whether a text holds a private key or a password's hash.

    >>> _holds_secret(b"-----BEGIN OPENSSH PRIVATE KEY-----\nb3Blbn")
    True
    >>> _holds_secret(b'if "-----BEGIN PRIVATE KEY-----" in text:')
    False
    >>> _holds_secret(b"# copy\nroot:$y$j9T$abcdefghijkl:19000::::::\n")
    True
    """
    if not _is_text(data):
        return False
    if _KEY_HINT in data and _KEY.search(data):
        return True
    has_hint = b":$" in data or b":!$" in data
    return has_hint and bool(_HASH.search(data))


def _holds_key(data: bytes) -> bool:
    return _is_text(data) and _KEY_HINT in data and bool(_KEY.search(data))


def _is_text(data: bytes) -> bool:
    return data.find(0, 0, TEXT_BYTES) < 0


class _Globs:
    """Many globs at once: those of whole paths by their first name, the others by their length."""

    def __init__(self, globs: Sequence[str]) -> None:
        whole: dict[bytes, list[bytes]] = {}
        ends: dict[int, list[bytes]] = {}
        loose: list[bytes] = []
        for glob in map(str.encode, globs):
            if glob.startswith(b"/"):
                first = glob[1:].partition(b"/")[0]
                is_plain = b"*" not in first and b"?" not in first
                where = whole.setdefault(first, []) if is_plain else loose
                where.append(_pattern(glob[1:]))
            elif b"**" in glob:
                loose.append(rb"(?:.*/)?" + _pattern(glob))
            else:
                ends.setdefault(glob.count(b"/"), []).append(_pattern(glob))
        self._whole = {first: _any_of(patterns) for first, patterns in whole.items()}
        self._ends = [(slashes, _any_of(patterns)) for slashes, patterns in ends.items()]
        self._loose = _any_of(loose) if loose else None

    def match(self, path: bytes) -> bool:
        whole = self._whole.get(path.partition(b"/")[0])
        if whole is not None and whole.fullmatch(path):
            return True
        for slashes, pattern in self._ends:
            names = path.rsplit(b"/", slashes + 1)
            if pattern.fullmatch(b"/".join(names[-slashes - 1 :])):
                return True
        return self._loose is not None and bool(self._loose.fullmatch(path))


def _any_of(patterns: Sequence[bytes]) -> re.Pattern[bytes]:
    return re.compile(b"|".join(b"(?:%b)" % pattern for pattern in patterns), re.S)


def _pattern(glob: bytes) -> bytes:
    r"""The glob as a regular expression.

    >>> _pattern(b"etc/*.key"), _pattern(b"etc/**")
    (b'etc/[^/]*\\.key', b'etc/.*')
    """
    return b"".join(_PARTS.get(part, re.escape(part)) for part in _SPLIT.findall(glob))


_SPLIT: Final = re.compile(rb"\*\*/|\*\*|\*|\?|[^*?]+")
_PARTS: Final = {b"**/": rb"(?:.*/)?", b"**": rb".*", b"*": rb"[^/]*", b"?": rb"[^/]"}
