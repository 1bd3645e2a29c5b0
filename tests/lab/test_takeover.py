"""The whole story in virtual machines: a running primary, its standby, a power cut, a client."""

from __future__ import annotations

from pathlib import Path

import pytest

import haoscar_pxe
from haoscar_pxe.rehearse.steps import Quiet
from haoscar_pxe.rehearse.takeover import run_takeover
from tests.needed import need

pytestmark = pytest.mark.lab

WORK = Path(haoscar_pxe.__file__).parents[1] / ".work" / "tests"
CLIENTS_WAIT_AT_MOST_S = 3.0
"""With two machines emulated on two processors; 0.7 s was seen."""


def test_a_standby_takes_over_from_a_primary_that_lost_its_power() -> None:
    need("qemu-system-x86_64", "debootstrap", "sfdisk", "mke2fs", "ssh", "ssh-keygen", "nft")
    report = run_takeover(WORK, Quiet())
    assert report.rehearsal.differences == ()
    assert all(probe.ok for probe in report.rehearsal.probes)
    assert 0.3 < report.silence_s < CLIENTS_WAIT_AT_MOST_S
    assert "was replaced by the other head" in report.returned
    assert report.orphan_entries > 10_000
    assert report.ok
