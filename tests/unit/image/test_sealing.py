"""Boxes are RFC 9180's, open for their own key alone, and tell nothing of what is in them."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from haoscar_pxe.errors import ConfigError, IntegrityError
from haoscar_pxe.image.sealing import (
    KEY_ID_BYTES,
    NO_KEYS,
    OVERHEAD_BYTES,
    OpeningKey,
    OpeningKeys,
    SealingKey,
)

KEY = OpeningKey("primary", bytes(range(32)))
OTHER = OpeningKey("primary", bytes(32))

KEM_SUITE = b"KEM" + bytes.fromhex("0020")
HPKE_SUITE = b"HPKE" + bytes.fromhex("002000010003")


def open_by_the_book(box: bytes, seed: bytes, info: bytes, aad: bytes = b"") -> bytes:
    """RFC 9180 sections 4.1 and 5.1 written down once more, with nothing but the primitives."""
    private = X25519PrivateKey.from_private_bytes(seed)
    enc, ciphertext = box[:32], box[32:]
    shared = private.exchange(X25519PublicKey.from_public_bytes(enc))
    context = enc + private.public_key().public_bytes_raw()
    eae_prk = extract(b"", b"eae_prk", shared, KEM_SUITE)
    secret = expand(eae_prk, b"shared_secret", context, 32, KEM_SUITE)
    psk_id_hash = extract(b"", b"psk_id_hash", b"", HPKE_SUITE)
    info_hash = extract(b"", b"info_hash", info, HPKE_SUITE)
    key_schedule = b"\0" + psk_id_hash + info_hash
    master = extract(secret, b"secret", b"", HPKE_SUITE)
    key = expand(master, b"key", key_schedule, 32, HPKE_SUITE)
    nonce = expand(master, b"base_nonce", key_schedule, 12, HPKE_SUITE)
    return ChaCha20Poly1305(key).decrypt(nonce, ciphertext, aad)


def extract(salt: bytes, label: bytes, key: bytes, suite: bytes) -> bytes:
    return hmac.digest(salt or bytes(32), b"HPKE-v1" + suite + label + key, hashlib.sha256)


def expand(key: bytes, label: bytes, info: bytes, size: int, suite: bytes) -> bytes:
    labeled = size.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info
    return hmac.digest(key, labeled + b"\1", hashlib.sha256)[:size]


def test_example_of_rfc_9180_a_2_1() -> None:
    """So that the opener below is to be believed."""
    enc = bytes.fromhex("1afa08d3dec047a643885163f1180476fa7ddb54c6a8029ea33f95796bf2ac4a")
    seed = bytes.fromhex("8057991eef8f1f1af18f4a9491d16a1ce333f695d4db8e38da75975c4478e0fb")
    ciphertext = bytes.fromhex(
        "1c5250d8034ec2b784ba2cfd69dbdb8af406cfe3ff938e131f0def8c8b60b4db21993c62ce81883d2dd1b51a28"
    )
    opened = open_by_the_book(enc + ciphertext, seed, b"Ode on a Grecian Urn", b"Count-0")
    assert opened == b"Beauty is truth, truth beauty"


def test_box_is_opened_by_a_second_implementation() -> None:
    box = KEY.public.seal(b"root:$y$secret")
    assert open_by_the_book(box, KEY.seed, b"haoscar-pxe sealed 1\0primary") == b"root:$y$secret"


@pytest.mark.parametrize("size", [0, 1, 1 << 20])
def test_box_is_longer_by_the_overhead_and_opens(size: int) -> None:
    box = KEY.public.seal(bytes(size))
    assert len(box) == size + OVERHEAD_BYTES
    assert KEY.open(box) == bytes(size)


def test_same_bytes_never_make_the_same_box() -> None:
    """Nobody can seal a guess and compare."""
    assert KEY.public.seal(b"secret") != KEY.public.seal(b"secret")


@pytest.mark.parametrize("key", [OTHER, OpeningKey("standby", KEY.seed)])
def test_box_is_of_no_use_to_another_key_or_image(key: OpeningKey) -> None:
    with pytest.raises(IntegrityError, match="cannot be opened"):
        key.open(KEY.public.seal(b"secret"))


def test_changed_box_is_refused_at_every_byte() -> None:
    box = KEY.public.seal(b"secret")
    for at in range(len(box)):
        changed = bytes([*box[:at], box[at] ^ 1, *box[at + 1 :]])
        with pytest.raises(IntegrityError):
            KEY.open(changed)
    for size in range(len(box)):
        with pytest.raises(IntegrityError):
            KEY.open(box[:size])


def test_point_of_low_order_is_refused() -> None:
    """RFC 9180 section 7.1.4: the shared secret would be zero for everybody."""
    with pytest.raises(IntegrityError):
        KEY.open(bytes(32) + KEY.public.seal(b"secret")[32:])


def test_keys_go_through_their_text() -> None:
    assert OpeningKey.decode("primary", KEY.encode()) == KEY
    assert SealingKey.decode("primary", KEY.public.encode() + " of the head") == KEY.public
    with pytest.raises(ConfigError) as refused:
        SealingKey.decode("primary", KEY.encode(), "here")
    assert KEY.encode().split()[1] not in str(refused.value)


def test_seed_is_in_no_repr() -> None:
    assert repr(KEY.seed) not in repr(OpeningKeys.of(KEY))
    assert KEY.encode().split()[1] not in repr(KEY)


def test_ring_names_what_it_lacks() -> None:
    ids = (KEY.public.key_id, OTHER.public.key_id)
    ring = OpeningKeys.of(KEY)
    assert len(ids[0]) == KEY_ID_BYTES
    assert ring.missing(ids) == (OTHER.public.key_id,)
    assert ring.only(ids) == (KEY,)
    assert NO_KEYS.missing(ids) == ids
    assert ring.open(ids[0], KEY.public.seal(b"x")) == b"x"
