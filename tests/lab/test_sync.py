"""A standby syncs itself in a real machine, and its plug is pulled in the middle of it.

`python -m tests.lab.power_cuts` does it at many moments.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.lab.sync_lab import PEERS, lab
from tests.needed import need


@pytest.mark.lab
def test_a_standby_whose_plug_is_pulled_amid_a_sync_ends_as_the_new_generation(
    tmp_path: Path,
) -> None:
    need(*PEERS)
    with lab(tmp_path) as made:
        assert made.differences(1) == []
        made.pull_the_plug("committed", 0.4)
        cut = Path(shutil.copy(made.machine.disk, tmp_path / "cut"))
        said = made.boot_again()
        assert "finishing primary generation 2" in said
        assert "HEAD standby is generation 2" in said
        assert "says=two" in said
        assert made.differences(2) == []
        assert made.differences(1, cut)
        assert made.differences(2, cut)
