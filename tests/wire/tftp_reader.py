"""TFTP as old firmware reads: one block at a time, and no patience."""

from __future__ import annotations

import socket


def read(server: str, name: str, timeout_s: float) -> bytes:
    """The file. Raises OSError: nothing came for timeout_s, or the server said ERROR."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(timeout_s)
        sock.sendto(b"\0\1" + name.encode() + b"\0octet\0", (server, 69))
        content = b""
        while True:
            datagram, peer = sock.recvfrom(1024)
            if datagram[:2] != b"\0\3":
                raise OSError(f"{name}: {datagram[:80]!r}")
            sock.sendto(b"\0\4" + datagram[2:4], peer)
            if int.from_bytes(datagram[2:4], "big") == (len(content) // 512 + 1) % 65536:
                content += datagram[4:]
                if len(datagram) < 516:
                    return content
