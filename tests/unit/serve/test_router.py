from __future__ import annotations

from pathlib import Path

import pytest

from haoscar_pxe.errors import ServeError
from haoscar_pxe.serve.router import has_link_local, open_router, passing_only

ROW = "fe80000000000000505400fffe000001 02 40 20 {flags} {name}\n"
GLOBAL = "fec0000000000000505400fffe000001 02 40 40 80     eth0\n"


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (ROW.format(flags="80", name="    eth0"), True),
        (GLOBAL + ROW.format(flags="80", name="    eth0"), True),
        (ROW.format(flags="c0", name="    eth0"), False),
        (ROW.format(flags="88", name="    eth0"), False),
        (ROW.format(flags="80", name="    eth1"), False),
        (GLOBAL, False),
        ("", False),
    ],
)
def test_an_address_counts_once_it_is_past_duplicate_detection(
    tmp_path: Path, rows: str, expected: bool
) -> None:
    (tmp_path / "if_inet6").write_text(rows)
    assert has_link_local("eth0", tmp_path / "if_inet6") is expected


def test_without_ipv6_there_is_no_address(tmp_path: Path) -> None:
    assert not has_link_local("eth0", tmp_path / "absent")


def test_the_filter_passes_one_type() -> None:
    words = memoryview(passing_only(133)).cast("I")
    assert [word for word in words if word != 0xFFFFFFFF] == [0xFFFFFFFF ^ 1 << 5]
    assert words[133 // 32] == 0xFFFFFFFF ^ 1 << 5


def test_an_interface_that_is_not_there_is_named() -> None:
    with pytest.raises(ServeError, match="nowhere0"):
        open_router("nowhere0")
