from __future__ import annotations

import os
import socket

import pytest

from haoscar_pxe.errors import ServeError
from haoscar_pxe.serve.port_holder import port_holders
from haoscar_pxe.serve.sockets import open_dhcp, open_http, open_tftp


def test_a_taken_udp_port_names_who_holds_it() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(ServeError, match=rf"TFTP .*port {port}/udp .*pid {os.getpid()}\)"):
            open_tftp("127.0.0.1", port)


def test_a_taken_tcp_port_names_who_holds_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ServeError, match=rf"HTTP .*port {port}/tcp .*pid {os.getpid()}\)"):
            open_http("127.0.0.1", port, 30.0)


def test_a_second_server_does_not_share_the_dhcp_port() -> None:
    """With SO_REUSEADDR the kernel would let it, and each would hear only some of the clients."""
    with open_dhcp("lo", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(ServeError, match=f"port {port}/udp on interface lo"):
            open_dhcp("lo", port)


def test_an_interface_that_is_not_there_is_named() -> None:
    with pytest.raises(
        ServeError, match="interface nowhere0: there is no such interface"
    ) as caught:
        open_dhcp("nowhere0", 0)
    assert "ip link" in caught.value.hint


def test_an_address_that_nobody_here_has_is_named() -> None:
    with pytest.raises(ServeError, match=r"192\.0\.2\.1: no interface of this machine has"):
        open_http("192.0.2.1", 0, 30.0)


def test_nobody_holds_a_free_port() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    assert port_holders("udp", port) == []
