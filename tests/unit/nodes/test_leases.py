from __future__ import annotations

import sqlite3
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from haoscar_pxe.errors import NodeError
from haoscar_pxe.nodes.leases import Lease, LeaseFile

A, B = IPv4Address("10.77.0.100"), IPv4Address("255.255.255.254")


def test_leases_are_there_when_the_file_is_opened_again(tmp_path: Path) -> None:
    first = LeaseFile(tmp_path / "leases.sqlite")
    first.keep({A: Lease("52:54:00:00:00:01", 1_000.5), B: Lease("", 7.0)})
    first.keep({A: Lease("52:54:00:00:00:02", 2_000.0), B: None})
    again = LeaseFile(tmp_path / "leases.sqlite")
    assert again.all() == {A: Lease("52:54:00:00:00:02", 2_000.0)}
    first.close()
    again.close()


def test_a_file_that_cannot_be_written_says_so_and_keeps_what_it_had(tmp_path: Path) -> None:
    leases = LeaseFile(tmp_path / "leases.sqlite")
    leases.keep({A: Lease("a", 1.0)})
    other = sqlite3.connect(tmp_path / "leases.sqlite")
    other.execute("DROP TABLE leases")
    with pytest.raises(NodeError, match=r"2 leases cannot be written to .*leases\.sqlite"):
        leases.keep({A: None, B: Lease("b", 1.0)})
    other.close()
    leases.close()
