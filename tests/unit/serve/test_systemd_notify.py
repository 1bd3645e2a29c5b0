from __future__ import annotations

import socket
import uuid
from pathlib import Path

import pytest

from haoscar_pxe.serve.systemd_notify import notify


def test_ready_arrives_at_the_socket(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        assert notify("READY=1", {"NOTIFY_SOCKET": str(tmp_path / "notify")})
        assert listener.recv(100) == b"READY=1"


def test_a_name_with_at_is_in_the_abstract_namespace() -> None:
    name = f"haoscar-{uuid.uuid4()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(f"\0{name}")
        assert notify("STOPPING=1", {"NOTIFY_SOCKET": f"@{name}"})
        assert listener.recv(100) == b"STOPPING=1"


@pytest.mark.parametrize("environment", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:1"}])
def test_without_systemd_nothing_is_sent(environment: dict[str, str]) -> None:
    assert not notify("READY=1", environment)


def test_a_socket_that_is_gone_is_no_reason_to_stop(tmp_path: Path) -> None:
    assert not notify("READY=1", {"NOTIFY_SOCKET": str(tmp_path / "gone")})
