"""Which opening keys an order brings, and when: asked as a node asks."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from haoscar_pxe.boot.answers import BootAnswers
from haoscar_pxe.errors import HaoscarError
from haoscar_pxe.image.sealing import OpeningKey
from haoscar_pxe.image.signing import SigningKey
from haoscar_pxe.nodes.asking import Refusal
from haoscar_pxe.nodes.order import InstallOrder, NodeEvent, Step
from haoscar_pxe.nodes.standby import SyncOrder
from tests.unit.boot import small_image
from tests.unit.boot.test_answers import CONFIGURATION, IP, MAC, answers

__all__ = ["answers"]


@pytest.fixture
def sealed(answers: BootAnswers, tmp_path: Path) -> BootAnswers:
    """Generation 2 is sealed by the first of three keys; another image has keys as well."""
    keys = answers.generations.keys
    signer = SigningKey.load(tmp_path / "key")
    small_image.make(tmp_path / "images", signer, sealed_for=keys.add("primary"))
    for image in ("primary", "primary", "other"):
        keys.add(image)
    return answers


def key(answers: BootAnswers, number: int = 1, image: str = "primary") -> OpeningKey:
    return answers.generations.keys.opening_keys(image)[number]


def order(answers: BootAnswers) -> InstallOrder:
    given = answers.order(MAC, IP)
    assert isinstance(given, bytes), given
    return msgspec.json.decode(given, type=InstallOrder)


def test_an_order_brings_the_keys_that_its_generation_was_sealed_for_and_no_others(
    sealed: BootAnswers,
) -> None:
    assert order(sealed).opening_keys == (key(sealed).encode(),)


def test_an_order_for_a_generation_without_secrets_brings_none(answers: BootAnswers) -> None:
    answers.generations.keys.add("primary")
    assert order(answers).opening_keys == ()


def test_no_order_is_given_while_its_key_is_not_here(sealed: BootAnswers, tmp_path: Path) -> None:
    """A standby that lacks its secrets would be found out on the day it is needed."""
    named = key(sealed).public.key_id.hex()[:12]
    (tmp_path / "sealing" / "primary" / "1.key").unlink()
    refusal = sealed.order(MAC, IP)
    assert isinstance(refusal, Refusal)
    assert refusal.status == 409
    assert named in refusal.reason
    assert sealed.registry.get("standby").arming.given == 0, "an order that was not given"


def test_who_is_not_the_armed_node_hears_no_key(sealed: BootAnswers) -> None:
    secret = key(sealed).encode().encode()
    token = order(sealed).token
    told = [
        sealed.order(MAC, "10.77.0.66"),
        sealed.order("52:54:00:00:00:99", IP),
        sealed.sync_order("guessed"),
        sealed.sync_order(token),
        sealed.tftp(CONFIGURATION, IP),
        sealed.tftp("grub/grub.cfg-01-52:54:00:00:00:20", IP),
        sealed.boot_file("ipxe/01-52-54-00-00-00-20"),
        sealed.packs_of("primary", 2),
    ]
    for each in told:
        said = each if isinstance(each, bytes) else str(each).encode()
        assert secret not in said
        assert b"opening_keys" not in said


def test_an_installed_node_brings_itself_up_to_date_with_the_same_key(sealed: BootAnswers) -> None:
    token = order(sealed).token
    done = NodeEvent(mac=MAC, step=Step.INSTALLED)
    assert sealed.event(token, msgspec.json.encode(done)) is None
    refusal = sealed.order(MAC, IP)
    assert isinstance(refusal, Refusal)
    given = sealed.sync_order(token)
    assert isinstance(given, bytes)
    assert msgspec.json.decode(given, type=SyncOrder).opening_keys == (key(sealed).encode(),)


def test_a_key_that_cannot_be_read_is_no_order(sealed: BootAnswers, tmp_path: Path) -> None:
    (tmp_path / "sealing" / "primary" / "1.key").write_text("nonsense\n")
    with pytest.raises(HaoscarError):
        sealed.generations.keys.ring("primary")
    refusal = sealed.order(MAC, IP)
    assert isinstance(refusal, Refusal)
    assert refusal.status == 409
