"""Keys: RFC 8032's own example, files, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from haoscar_pxe.errors import ConfigError, IntegrityError, StorageError
from haoscar_pxe.image.signing import PublicKey, SigningKey, TrustedKeys

# RFC 8032 section 7.1, TEST 2
SEED = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
PUBLIC = bytes.fromhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
SIGNATURE = bytes.fromhex(
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
)


def test_the_example_of_the_rfc_is_signed_and_verified() -> None:
    key = SigningKey(SEED)
    assert key.public == PublicKey(PUBLIC)
    assert key.sign(b"\x72") == SIGNATURE
    assert TrustedKeys.of(key.public).verify(key.public.key_id, SIGNATURE, b"\x72") == key.public


def test_another_message_or_key_is_not_verified() -> None:
    key, other = SigningKey(SEED), SigningKey.generate()
    trusted = TrustedKeys.of(key.public)
    with pytest.raises(IntegrityError, match="does not fit"):
        trusted.verify(key.public.key_id, SIGNATURE, b"\x73")
    with pytest.raises(IntegrityError, match="not trusted here"):
        trusted.verify(other.public.key_id, other.sign(b"\x72"), b"\x72")


def test_a_key_file_comes_back_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    key = SigningKey.generate()
    key.save(tmp_path / "signing.key")
    assert (tmp_path / "signing.key").stat().st_mode & 0o777 == 0o600
    assert SigningKey.load(tmp_path / "signing.key") == key


def test_a_key_file_is_never_replaced(tmp_path: Path) -> None:
    key = SigningKey.generate()
    key.save(tmp_path / "signing.key")
    with pytest.raises(StorageError, match="File exists"):
        SigningKey.generate().save(tmp_path / "signing.key")
    assert SigningKey.load(tmp_path / "signing.key") == key


def test_the_secret_is_in_no_repr() -> None:
    key = SigningKey(SEED)
    assert SEED.hex() not in repr(key)
    assert repr(SEED) not in repr(key)


def test_a_folder_of_keys_is_trusted_as_a_whole(tmp_path: Path) -> None:
    keys = [SigningKey.generate() for _ in range(2)]
    for number, key in enumerate(keys):
        (tmp_path / f"{number}.pub").write_text(key.public.encode() + " a comment\n")
    (tmp_path / "README").write_text("not a key")
    trusted = TrustedKeys.from_folder(tmp_path)
    for key in keys:
        assert trusted.verify(key.public.key_id, key.sign(b"m"), b"m") == key.public


@pytest.mark.parametrize(
    "text", ["", "nonsense", "haoscar-ed25519", "haoscar-ed25519 @@@@", "haoscar-ed25519 AAAA"]
)
def test_what_is_no_key_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / "bad.pub").write_text(text)
    with pytest.raises(ConfigError, match=r"bad\.pub"):
        TrustedKeys.from_folder(tmp_path)
    with pytest.raises(ConfigError, match=r"bad\.pub"):
        SigningKey.load(tmp_path / "bad.pub")


def test_no_keys_at_all_is_an_error_with_a_hint(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no trusted key") as caught:
        TrustedKeys.from_folder(tmp_path)
    assert "init" in caught.value.hint
