"""Sealed boxes: anybody who has the public key can make one, only the private key opens it.

RFC 9180 (HPKE), base mode, one message a box: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256,
ChaCha20Poly1305.

    box    encapsulated key (32) | ciphertext, as long as the plaintext | tag (16)
    info   "haoscar-pxe sealed 1" | NUL | the image's name

Every box has a fresh key of its own, so the same bytes never make the same box: who has only boxes
cannot tell whether a guess of their content is right. As text a key is one line:

    haoscar-x25519 BASE64            the public sealing key
    haoscar-x25519-private BASE64    the private opening key

What is a secret is decided in `capture/files/secrets.py`; where keys lie in `sealing_keys.py`; how
an opening key comes to whoever may have it is no business of this module.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from blake3 import blake3
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from haoscar_pxe.errors import IntegrityError, SealedError
from haoscar_pxe.image.key_text import KEY_BYTES, decode_line, encode_line

PUBLIC_WORD: Final = "haoscar-x25519"
PRIVATE_WORD: Final = "haoscar-x25519-private"
KEY_ID_BYTES: Final = 32
OVERHEAD_BYTES: Final = 48
"""A box is longer than its plaintext by the encapsulated key (Nenc 32) and the tag (Nt 16)."""
PIECE_BYTES: Final = 1 << 20
"""Sealed files are cut every so many bytes, not by content: where FastCDC cuts depends on the
bytes, so the lengths of its pieces would confirm a guess."""

_SUITE: Final = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)


@dataclass(frozen=True, slots=True)
class SealingKey:
    """The public key by which secrets of an image are sealed; raw: 32 bytes (RFC 7748)."""

    image: str
    raw: bytes

    @property
    def key_id(self) -> bytes:
        """BLAKE3 of the raw key, 32 bytes: how an entry names the key that sealed it."""
        return blake3(self.raw).digest()

    def seal(self, data: bytes | memoryview) -> bytes:
        """A box with these bytes, OVERHEAD_BYTES longer than they are; another one each time."""
        public = X25519PublicKey.from_public_bytes(self.raw)
        return _SUITE.encrypt(bytes(data), public, _info(self.image))

    def encode(self) -> str:
        """One line of text, without newline."""
        return encode_line(PUBLIC_WORD, self.raw)

    @classmethod
    def decode(cls, image: str, text: str, where: str = "this text") -> SealingKey:
        """Read what `encode` wrote; words after the key are a comment. Raises ConfigError."""
        return cls(image, decode_line(text, PUBLIC_WORD, where))


@dataclass(frozen=True, slots=True)
class OpeningKey:
    """The private key that opens what its public half sealed, of one image only.

    seed: 32 secret bytes, kept out of every repr and message.
    """

    image: str
    seed: bytes

    def __repr__(self) -> str:
        return f"OpeningKey({self.image!r}, {self.public.key_id.hex()[:12]})"

    @classmethod
    def generate(cls, image: str) -> OpeningKey:
        """A new key from the kernel's random numbers."""
        return cls(image, os.urandom(KEY_BYTES))

    @property
    def public(self) -> SealingKey:
        """The key that seals what this one opens."""
        private = X25519PrivateKey.from_private_bytes(self.seed)
        return SealingKey(self.image, private.public_key().public_bytes_raw())

    def open(self, box: bytes) -> bytes:
        """The bytes in the box. Raises IntegrityError if it was not sealed for this key."""
        private = X25519PrivateKey.from_private_bytes(self.seed)
        try:
            return _SUITE.decrypt(box, private, _info(self.image))
        except (InvalidTag, ValueError) as error:  # ValueError: too short, a point of low order
            raise IntegrityError(
                f"a sealed chunk of image '{self.image}' cannot be opened by the key "
                f"{self.public.key_id.hex()[:12]} that it names"
            ) from error

    def encode(self) -> str:
        """One line of text, without newline: a secret."""
        return encode_line(PRIVATE_WORD, self.seed)

    @classmethod
    def decode(cls, image: str, text: str, where: str = "this text") -> OpeningKey:
        """Read what `encode` wrote. Raises ConfigError, which does not hold the text."""
        return cls(image, decode_line(text, PRIVATE_WORD, where))


@dataclass(frozen=True, slots=True)
class OpeningKeys:
    """Opening keys by the id of their public half. Several, because keys are rotated."""

    keys: Mapping[bytes, OpeningKey]

    @classmethod
    def of(cls, *keys: OpeningKey) -> OpeningKeys:
        """Exactly these; none opens nothing."""
        return cls({key.public.key_id: key for key in keys})

    def open(self, key_id: bytes, box: bytes) -> bytes:
        """The bytes in a box sealed by that key, which must be here. Raises IntegrityError."""
        return self.keys[key_id].open(box)

    def missing(self, key_ids: Iterable[bytes]) -> tuple[bytes, ...]:
        """Those that are not here, in the order given."""
        return tuple(each for each in key_ids if each not in self.keys)

    def only(self, key_ids: Iterable[bytes]) -> tuple[OpeningKey, ...]:
        """The keys of these ids, as far as they are here."""
        return tuple(self.keys[each] for each in key_ids if each in self.keys)


NO_KEYS: Final = OpeningKeys({})


def sealed_error(path: bytes, key_id: bytes) -> SealedError:
    """What is said to whoever would read a sealed file without the opening key of that id."""
    return SealedError(
        f"{path!r} is sealed, and the opening key {key_id.hex()[:12]} is not here",
        hint="opening keys lie on the image server in keys/sealing/IMAGE/ (docs/secrets.md); "
        "'haoscar-pxe key seal list' shows which",
    )


def _info(image: str) -> bytes:
    return b"haoscar-pxe sealed 1\0" + image.encode()
