"""What can be refused before anything is started is."""

from __future__ import annotations

from pathlib import Path

import pytest

from haoscar_pxe.config import Config, ServeConfig
from haoscar_pxe.errors import BusyError, RehearsalError
from haoscar_pxe.nodes.declare import interface, new_node
from haoscar_pxe.rehearse.rehearsal import Request, rehearse
from haoscar_pxe.rehearse.steps import Quiet
from haoscar_pxe.rehearse.work_folder import held

SITE = Config(serve=ServeConfig(address="10.77.0.1/24"))


def request(work: Path, address: str) -> Request:
    interfaces = (interface("52:54:00:00:00:20", address),)
    node = new_node("standby", role="standby", image="primary", interfaces=interfaces)
    return Request(SITE, node, work)


@pytest.mark.parametrize("address", ["10.78.0.20/24", "10.77.0.20/16"])
def test_a_node_on_another_network_is_refused_at_once(tmp_path: Path, address: str) -> None:
    with pytest.raises(RehearsalError, match=f"{address}, the server has 10.77.0.1/24"):
        rehearse(request(tmp_path, address), Quiet())


def test_two_rehearsals_of_a_node_at_once_are_refused(tmp_path: Path) -> None:
    with (
        held(tmp_path / "rehearsal-standby", "a rehearsal"),
        pytest.raises(BusyError, match="a rehearsal is running"),
    ):
        rehearse(request(tmp_path, "10.77.0.20/24"), Quiet())
