"""The mark by which an order knows its own half-finished work."""

from __future__ import annotations

import pytest

from haoscar_pxe.install.claim import FIRST_BYTES, claim_of, first_bytes, has_room, read_claim
from tests.unit.install.machines import GIB, layout, partition, root_fs


def test_the_claim_does_not_hold_the_token() -> None:
    assert b"secret" not in first_bytes(claim_of("secret"))


def test_everything_but_the_claim_is_wiped() -> None:
    first = first_bytes(claim_of("token"))
    assert len(first) == FIRST_BYTES
    assert not any(first[: FIRST_BYTES - 512])
    assert first_bytes("") == bytes(FIRST_BYTES)


@pytest.mark.parametrize(
    "first", [b"", bytes(FIRST_BYTES), b"\xff" * FIRST_BYTES, first_bytes("x")[: FIRST_BYTES - 512]]
)
def test_other_bytes_are_nobodys_claim(first: bytes) -> None:
    assert read_claim(first) == ""


def test_a_torn_claim_is_nobodys() -> None:
    torn = first_bytes(claim_of("token"))[: FIRST_BYTES - 512 + 40]
    assert read_claim(torn.ljust(FIRST_BYTES, b"\0")) == ""


def test_a_partition_before_the_first_mib_leaves_no_room() -> None:
    assert has_room(layout().disks[0])
    assert not has_room(layout(partition(1, 63 * 512, GIB, root_fs())).disks[0])
