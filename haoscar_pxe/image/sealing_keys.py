"""Where sealing and opening keys lie: a folder for each image, a number for each rotation.

    KEYS/sealing/<image>/<number>.pub   the public sealing key
    KEYS/sealing/<image>/<number>.key   the private opening key, mode 0600

Secrets are sealed by the key with the highest number; older ones open what they sealed. Files are
never replaced. Private keys may be taken away and kept elsewhere: captures go on with the public
ones, and what needs to open says so. The folder is never part of a repository or of an image.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from haoscar_pxe.errors import ConfigError
from haoscar_pxe.image.durable import storage_errors, sync_folder
from haoscar_pxe.image.key_text import write_key_file
from haoscar_pxe.image.repository import check_image_name, is_image_name
from haoscar_pxe.image.sealing import OpeningKey, OpeningKeys, SealingKey

FOLDER: Final = "sealing"
PUBLIC: Final = ".pub"
PRIVATE: Final = ".key"
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,8}")


@dataclass(frozen=True, slots=True)
class KeyFolder:
    """The site's folder of sealing keys; path: KEYS/sealing."""

    path: Path

    @classmethod
    def below(cls, keys: Path) -> KeyFolder:
        """The one in the site's folder of keys."""
        return cls(keys / FOLDER)

    def images(self) -> list[str]:
        """The images that have keys here, ascending. Raises ConfigError."""
        return sorted(filter(is_image_name, _names(self.path)))

    def sealing_keys(self, image: str) -> dict[int, SealingKey]:
        """The image's public keys by their number, ascending. Raises ConfigError."""
        found = {number: key.public for number, key in self.opening_keys(image).items()}
        for number, path in self._files(image, PUBLIC).items():
            found[number] = SealingKey.decode(image, _read(path), str(path))
        return dict(sorted(found.items()))

    def opening_keys(self, image: str) -> dict[int, OpeningKey]:
        """The image's private keys that are here, by number, ascending. Raises ConfigError."""
        return {
            number: OpeningKey.decode(image, _read(path), str(path))
            for number, path in self._files(image, PRIVATE).items()
        }

    def ring(self, *images: str) -> OpeningKeys:
        """All that opens secrets of these images here. Raises ConfigError."""
        return OpeningKeys.of(*(key for each in images for key in self.opening_keys(each).values()))

    def current(self, image: str) -> SealingKey:
        """The key that seals; made if the image has none yet. Raises ConfigError, StorageError."""
        keys = self.sealing_keys(image)
        return keys[max(keys)] if keys else self.add(image)

    def add(self, image: str) -> SealingKey:
        """Make the image's next key pair, durably. Raises StorageError."""
        number = max(self.sealing_keys(image), default=0) + 1
        folder = self.path / image
        with storage_errors("make", folder):
            self.path.mkdir(mode=0o700, exist_ok=True)
            folder.mkdir(mode=0o700, exist_ok=True)
        key = OpeningKey.generate(image)
        # The private half first: what is sealed by a public key can then always be opened.
        write_key_file(folder / f"{number}{PRIVATE}", key.encode(), "the opening key")
        write_key_file(folder / f"{number}{PUBLIC}", key.public.encode(), "the sealing key")
        with storage_errors("sync", folder):
            for each in (folder, self.path, self.path.parent):
                sync_folder(each)
        return key.public

    def _files(self, image: str, suffix: str) -> dict[int, Path]:
        check_image_name(image)
        folder = self.path / image
        numbers = sorted(
            int(name.removesuffix(suffix))
            for name in _names(folder)
            if name.endswith(suffix) and _NUMBER.fullmatch(name.removesuffix(suffix))
        )
        return {number: folder / f"{number}{suffix}" for number in numbers}


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ConfigError(
            f"cannot read the keys in {folder}: {error.strerror}",
            hint="keys are root's: run as root",
        ) from error


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"cannot read the key {path}: {error}", hint="keys are root's: run as root"
        ) from error
