"""A standby syncs itself in a real machine, and its plug is pulled in the middle of it.

`python -m tests.lab.power_cuts` does it at many moments.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lab.sync_lab import PEERS, lab, without_staging
from tests.needed import need

DELAYS_S = (0.4, 0.2, 0.1, 0.05, 0.8)
"""After the commit, until a cut finds the tree neither old nor new: machines are fast or slow."""


@pytest.mark.lab
def test_a_standby_whose_plug_is_pulled_amid_a_sync_ends_as_the_new_generation(
    tmp_path: Path,
) -> None:
    need(*PEERS)
    with lab(tmp_path) as made:
        assert made.differences(1) == []
        installed = made.copy_of_disk(tmp_path / "installed")
        for delay_s in DELAYS_S:
            made.put_disk(installed)
            made.pull_the_plug("committed", delay_s)
            cut = made.what_the_cut_left(tmp_path / "cut")
            if all(without_staging(made.differences(number, cut)) for number in (1, 2)):
                break
        else:
            pytest.fail("no cut was amid the change: the machine is faster than this test")
        said = made.boot_again()
        assert "finishing primary generation 2" in said
        assert "HEAD standby is generation 2" in said
        assert "says=two" in said
        assert made.differences(2) == []
