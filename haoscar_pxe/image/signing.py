"""Ed25519 keys (RFC 8032) that sign manifests, and the set of keys a reader trusts.

On disk a private key is one line in a file of mode 0600, a public key one line of text:
    haoscar-ed25519-private BASE64
    haoscar-ed25519 BASE64
It does not decide who may open sealed secrets.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from blake3 import blake3
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from haoscar_pxe.errors import ConfigError, IntegrityError
from haoscar_pxe.image.key_text import KEY_BYTES, decode_line, encode_line, write_key_file

PUBLIC_WORD = "haoscar-ed25519"
PRIVATE_WORD = "haoscar-ed25519-private"
KEY_ID_BYTES = 32
SIGNATURE_BYTES = 64


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key; raw: 32 bytes (RFC 8032 section 5.1.5)."""

    raw: bytes

    @property
    def key_id(self) -> bytes:
        """BLAKE3 of the raw key, 32 bytes: how an envelope names its signer."""
        return blake3(self.raw).digest()

    def encode(self) -> str:
        """One line of text, without newline.

        >>> PublicKey.decode(PublicKey(bytes(32)).encode()) == PublicKey(bytes(32))
        True
        """
        return encode_line(PUBLIC_WORD, self.raw)

    @classmethod
    def decode(cls, text: str, where: str = "this text") -> PublicKey:
        """Read what `encode` wrote; words after the key are a comment. Raises ConfigError."""
        return cls(decode_line(text, PUBLIC_WORD, where))


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key; seed: 32 secret bytes, kept out of every repr and message."""

    seed: bytes

    def __repr__(self) -> str:
        return f"SigningKey({self.public.encode()!r})"

    @classmethod
    def generate(cls) -> SigningKey:
        """A new key from the kernel's random numbers."""
        return cls(os.urandom(KEY_BYTES))

    @classmethod
    def load(cls, path: Path) -> SigningKey:
        """Read a key that `save` wrote. Raises ConfigError."""
        try:
            text = path.read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"cannot read the signing key {path}: {error}",
                hint="'haoscar-pxe init' makes one; captures are signed with it",
            ) from error
        return cls(decode_line(text, PRIVATE_WORD, str(path)))

    def save(self, path: Path) -> None:
        """Write the key with mode 0600; an existing file is never replaced (StorageError)."""
        write_key_file(path, encode_line(PRIVATE_WORD, self.seed), "the signing key")

    @property
    def public(self) -> PublicKey:
        """The key that verifies what this one signs."""
        private = Ed25519PrivateKey.from_private_bytes(self.seed)
        return PublicKey(private.public_key().public_bytes_raw())

    def sign(self, message: bytes) -> bytes:
        """Signature of 64 bytes (RFC 8032 section 5.1.6); the same message gives the same one."""
        return Ed25519PrivateKey.from_private_bytes(self.seed).sign(message)


@dataclass(frozen=True, slots=True)
class TrustedKeys:
    """Public keys by their id. More than one while keys are rotated."""

    keys: Mapping[bytes, PublicKey]

    @classmethod
    def of(cls, *keys: PublicKey) -> TrustedKeys:
        """Trust exactly these."""
        return cls({key.key_id: key for key in keys})

    @classmethod
    def from_folder(cls, path: Path) -> TrustedKeys:
        """Trust every `*.pub` file of a folder. Raises ConfigError, also when there is none."""
        found = [_read_public(file) for file in sorted(path.glob("*.pub"))]
        if not found:
            raise ConfigError(
                f"no trusted key: {path} holds no file named *.pub",
                hint="'haoscar-pxe init' makes a key pair, or copy the image server's .pub there",
            )
        return cls.of(*found)

    def verify(self, key_id: bytes, signature: bytes, message: bytes) -> PublicKey:
        """The key that signed the message. Raises IntegrityError if none of ours did."""
        key = self.keys.get(key_id)
        if key is None:
            known = ", ".join(sorted(known_id.hex()[:12] for known_id in self.keys)) or "none"
            raise IntegrityError(
                f"signed by key {key_id.hex()[:12]}, which is not trusted here (trusted: {known})",
                hint="'haoscar-pxe key trust FILE' believes the signer's .pub file",
            )
        try:
            Ed25519PublicKey.from_public_bytes(key.raw).verify(signature, message)
        except InvalidSignature as error:
            raise IntegrityError(
                f"the signature by key {key_id.hex()[:12]} does not fit: the bytes were changed"
            ) from error
        return key


def _read_public(path: Path) -> PublicKey:
    try:
        return PublicKey.decode(path.read_text(), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the trusted key {path}: {error}") from error
