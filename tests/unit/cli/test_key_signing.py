from __future__ import annotations

import json
from pathlib import Path

import pytest

from haoscar_pxe.image.repository import Repository
from haoscar_pxe.image.signing import SigningKey
from haoscar_pxe.image.signing_keys import SigningFolder, short_id
from tests.unit.cli.captured_site import capture, make_captured
from tests.unit.cli.site_folder import call


@pytest.fixture
def site(tmp_path: Path) -> tuple[Path, Path]:
    return make_captured(tmp_path)


def keys(config: Path) -> SigningFolder:
    return SigningFolder(config.parent / "keys")


def test_old_generations_stay_readable_after_a_rotation_and_new_ones_have_a_new_signer(
    site: tuple[Path, Path],
) -> None:
    config, tree = site
    before = keys(config).signer.public
    assert call(config, "key", "rotate").exit_code == 0
    capture(config, tree)
    after = keys(config).signer.public
    assert before != after
    rows = json.loads(call(config, "key", "list", "--json").output)
    signed = {row["key_id"]: (row["signs"], row["generations"]) for row in rows}
    assert signed[after.key_id.hex()] == (True, ["head@2"])
    assert signed[before.key_id.hex()][0] is False
    assert "head@1" in signed[before.key_id.hex()][1]
    assert call(config, "image", "verify").exit_code == 0


def test_a_capture_after_a_rotation_shares_the_pages_of_the_one_before(
    site: tuple[Path, Path],
) -> None:
    config, tree = site
    assert call(config, "key", "rotate").exit_code == 0
    capture(config, tree)
    repository, trusted = Repository.open(config.parent / "images"), keys(config).trusted
    first, second = (repository.manifest("head", number, trusted) for number in (1, 2))
    assert second.pages == first.pages
    assert second.packed_bytes == 0


def test_a_key_whose_generations_would_be_lost_is_only_retired_on_demand(
    site: tuple[Path, Path],
) -> None:
    config, _ = site
    old = short_id(keys(config).signer.public)
    assert call(config, "key", "rotate").exit_code == 0
    refused = call(config, "key", "retire", old[:8])
    assert "head@1" in str(refused.exception)
    assert call(config, "image", "show", "head").exit_code == 0
    assert call(config, "key", "retire", old[:8], "--yes").exit_code == 0
    assert "not trusted" in str(call(config, "image", "show", "head").exception)
    assert (config.parent / "keys" / f"{old}.pub.retired").exists()


def test_a_retired_key_can_be_trusted_again(site: tuple[Path, Path]) -> None:
    config, _ = site
    old = short_id(keys(config).signer.public)
    call(config, "key", "rotate")
    call(config, "key", "retire", old, "--yes")
    retired = config.parent / "keys" / f"{old}.pub.retired"
    assert call(config, "key", "trust", str(retired)).exit_code == 0
    assert call(config, "image", "show", "head").exit_code == 0


def test_the_key_that_signs_is_never_retired(site: tuple[Path, Path]) -> None:
    config, _ = site
    own = short_id(keys(config).signer.public)
    refused = call(config, "key", "retire", own, "--yes")
    assert "signs new captures" in str(refused.exception)


def test_a_file_that_is_no_key_is_not_trusted(site: tuple[Path, Path], tmp_path: Path) -> None:
    config, _ = site
    (tmp_path / "strange.pub").write_bytes(b"ssh-ed25519 AAAA\n\xff")
    refused = call(config, "key", "trust", str(tmp_path / "strange.pub"))
    assert "cannot read the key" in str(refused.exception)


@pytest.mark.parametrize(("start", "found"), [("", 3), ("zz", 0), ("0123456789abcdef0123", 0)])
def test_only_what_means_one_key_is_retired(
    site: tuple[Path, Path], start: str, found: int
) -> None:
    call(site[0], "key", "rotate")
    call(site[0], "key", "rotate")
    refused = call(site[0], "key", "retire", start, "--yes")
    assert f"{found} trusted keys" in str(refused.exception)


def test_a_rotation_cut_off_before_its_last_step_is_done_by_the_next(tmp_path: Path) -> None:
    folder = SigningFolder(tmp_path)
    first = folder.make()
    SigningKey.generate().save(tmp_path / "signing.key.new")  # what a killed one leaves
    second = folder.rotate()
    assert folder.signer == second != first
    assert set(folder.trusted.keys) == {first.public.key_id, second.public.key_id}
    assert not (tmp_path / "signing.key.new").exists()
