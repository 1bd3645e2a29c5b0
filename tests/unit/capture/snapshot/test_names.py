"""A snapshot's name tells whether its maker still runs."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from haoscar_pxe.capture.snapshot.names import PREFIX, is_alive, maker_of, this_process


def test_our_own_snapshots_are_not_those_of_a_dead_process() -> None:
    name = this_process().name(3)
    maker = maker_of(name)
    assert maker == this_process()
    assert maker is not None
    assert maker.pid == os.getpid()
    assert is_alive(maker)


def test_a_snapshot_of_a_process_that_ended_is_left_over() -> None:
    with subprocess.Popen(["sleep", "60"]) as child:
        stat = Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()
        maker = replace(this_process(), pid=child.pid, started=int(stat[19]))
        assert is_alive(maker)
        child.kill()
    assert not is_alive(maker)


def test_neither_another_boot_nor_a_reused_process_number_is_the_maker() -> None:
    ours = this_process()
    assert not is_alive(replace(ours, boot="00000000"))
    assert not is_alive(replace(ours, started=ours.started + 1))


@pytest.mark.parametrize(
    "name", ["root", "snapshot-1", PREFIX, PREFIX + "0123abcd-1-2", PREFIX + "0123abcd-1-2-x"]
)
def test_what_others_named_is_never_taken_for_ours(name: str) -> None:
    assert maker_of(name) is None
