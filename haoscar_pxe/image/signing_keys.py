"""The folder of keys that sign generations, and of those whose signatures are believed.

    KEYS/signing.key           the private key that signs now, mode 0600
    KEYS/signing.pub           its public half
    KEYS/<key id>.pub          trusted as well: earlier ones of this site, or another's
    KEYS/<key id>.pub.retired  no longer trusted; read by nobody
    KEYS/<key id>.key.old      a private key that signed before; read by nobody

<key id>: the first 16 hexadecimal digits of the public key's id. Whenever a rotation is cut off,
the private key in use and all public keys that were trusted before are whole and in their place.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from haoscar_pxe.errors import ConfigError
from haoscar_pxe.image.durable import storage_errors, sync_folder, write_durably
from haoscar_pxe.image.signing import PublicKey, SigningKey, TrustedKeys

SIGNING_KEY: Final = "signing.key"
PUBLIC_KEY: Final = "signing.pub"
ID_DIGITS: Final = 16


@dataclass(frozen=True, slots=True)
class SigningFolder:
    """The keys folder of a site."""

    path: Path

    def make(self) -> SigningKey:
        """The first key of a site. Raises StorageError, also where there is one already."""
        made = SigningKey.generate()
        made.save(self.path / SIGNING_KEY)
        self._publish(made.public, PUBLIC_KEY)
        return made

    @property
    def signer(self) -> SigningKey:
        """The key that signs captures now. Raises ConfigError."""
        return SigningKey.load(self.path / SIGNING_KEY)

    @property
    def trusted(self) -> TrustedKeys:
        """All keys whose signatures are believed. Raises ConfigError."""
        return TrustedKeys.from_folder(self.path)

    def rotate(self) -> SigningKey:
        """Sign with a new key from now on; the one before stays trusted. Raises StorageError."""
        before, made = self.signer, SigningKey.generate()
        new = self.path / f"{SIGNING_KEY}.new"
        with storage_errors("rotate the signing key in", self.path):
            new.unlink(missing_ok=True)
            self._publish(before.public, _file_name(before.public))
            self._publish(made.public, _file_name(made.public))
            made.save(new)
            os.link(self.path / SIGNING_KEY, self.path / f"{short_id(before.public)}.key.old")
            os.replace(new, self.path / SIGNING_KEY)
            self._publish(made.public, PUBLIC_KEY)
        return made

    def trust(self, key: PublicKey) -> Path:
        """Believe what this key signed; where it lies now. Raises StorageError."""
        return self._publish(key, _file_name(key))

    def find(self, start: str) -> PublicKey:
        """The trusted key whose id begins so. Raises ConfigError unless there is just one."""
        found = [key for key in self.trusted.keys.values() if key.key_id.hex().startswith(start)]
        if len(found) != 1:
            raise ConfigError(
                f"{len(found)} trusted keys have an id that begins with '{start}', not one",
                hint="'haoscar-pxe key list' shows their ids",
            )
        return found[0]

    def retire(self, key: PublicKey) -> None:
        """Believe the key no more. Raises ConfigError for the one that signs, StorageError."""
        if key == self.signer.public:
            raise ConfigError(
                f"key {short_id(key)} signs new captures",
                hint="'haoscar-pxe key rotate' first makes another one",
            )
        with storage_errors("retire a key in", self.path):
            for file in sorted(self.path.glob("*.pub")):
                if PublicKey.decode(file.read_text(), str(file)) == key:
                    file.rename(file.with_name(f"{file.name}.retired"))
            sync_folder(self.path)

    def _publish(self, key: PublicKey, name: str) -> Path:
        """Write a public key, whole or not at all."""
        path = self.path / name
        new = path.with_name(f"{name}.new")
        with storage_errors("write the public key", path):
            new.unlink(missing_ok=True)
            write_durably(new, f"{key.encode()}\n".encode())
            new.replace(path)
            sync_folder(self.path)
        return path


def short_id(key: PublicKey) -> str:
    """How a key is called in file names and tables."""
    return key.key_id.hex()[:ID_DIGITS]


def _file_name(key: PublicKey) -> str:
    return f"{short_id(key)}.pub"
