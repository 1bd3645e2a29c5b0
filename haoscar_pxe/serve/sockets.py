"""Opening the server's sockets, and saying clearly why one is not to be had.

Sources: socket(7) (SO_BINDTODEVICE), ip(7). None is opened with SO_REUSEADDR: UDP needs it for
nothing, and with it a second server on the same port would silently share our datagrams.
"""

from __future__ import annotations

import errno
import socket
from typing import Final

from haoscar_pxe.errors import ServeError
from haoscar_pxe.serve.port_holder import Protocol, port_holders

RECEIVE_BUFFER_BYTES: Final = 4 << 20  # a rack that powers on at once; the kernel may grant less


def open_dhcp(interface: str, port: int) -> socket.socket:
    """The UDP socket that hears broadcasts on one interface and may send them."""
    sock = _udp()
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
        sock.bind(("", port))
    except OSError as error:
        sock.close()
        raise _explain(error, "DHCP", "udp", f"interface {interface}", port) from error
    return sock


def open_tftp(ip: str, port: int) -> socket.socket:
    """The UDP socket for read requests; bound to the address so that answers come from it."""
    sock = _udp()
    try:
        sock.bind((ip, port))
    except OSError as error:
        sock.close()
        raise _explain(error, "TFTP", "udp", ip, port) from error
    return sock


def open_transfer(ip: str, peer: tuple[str, int]) -> socket.socket:
    """A UDP socket of its own for one transfer, connected to its client. Raises OSError."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    try:
        sock.bind((ip, 0))
        sock.connect(peer)
    except OSError:
        sock.close()
        raise
    return sock


def open_http(ip: str, port: int, unread_s: float) -> socket.socket:
    """The listening TCP socket. SO_REUSEADDR here is only about connections in TIME_WAIT.

    unread_s: a connection ends whose peer takes nothing for so long.
    """
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(unread_s * 1000))
        sock.bind((ip, port))
        sock.listen(1024)
    except OSError as error:
        sock.close()
        raise _explain(error, "HTTP", "tcp", ip, port) from error
    return sock


def _udp() -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
    return sock


def _explain(error: OSError, service: str, protocol: Protocol, place: str, port: int) -> ServeError:
    what = f"{service} cannot have port {port}/{protocol} on {place}"
    match error.errno:
        case errno.EADDRINUSE:
            holders = ", ".join(port_holders(protocol, port)) or "a program that cannot be seen"
            return ServeError(
                f"{what}: {holders} holds it",
                hint="stop it, or turn this protocol off in the configuration of one of the two",
            )
        case errno.EADDRNOTAVAIL:
            return ServeError(
                f"{what}: no interface of this machine has that address",
                hint="'ip address' lists them; correct the server's address in the configuration",
            )
        case errno.ENODEV:
            return ServeError(
                f"{what}: there is no such interface",
                hint="'ip link' lists them; correct the interface in the configuration",
            )
        case errno.EACCES | errno.EPERM:
            return ServeError(f"{what}: not allowed", hint="run it as root or as the service")
        case _:
            return ServeError(f"{what}: {error.strerror}", hint="'haoscar-pxe doctor' looks closer")
