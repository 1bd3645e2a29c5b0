"""A pair of pipes with messages on them: the ends of an ssh session.

It reads and writes as it is told to; `remote_messages.py` knows what the bytes mean.
"""

from __future__ import annotations

import os
from collections import deque
from typing import Final, Generic, TypeVar

from haoscar_pxe.capture.remote.messages import (
    GREETING,
    NOISE_MAX_BYTES,
    Frames,
    FromHead,
    FromServer,
    encode_frame,
)
from haoscar_pxe.errors import HaoscarError, WireError

READ_BYTES: Final = 256 << 10

M = TypeVar("M", FromHead, FromServer)


class CutOffError(HaoscarError):
    """The other end went away in the middle."""


class Channel(Generic[M]):
    """Messages of kind M come in, any message goes out. Not for use by two threads at once.

    received_bytes: all that came so far.
    """

    def __init__(self, incoming: int, outgoing: int, kind: object) -> None:
        """incoming, outgoing: descriptors, the caller's. kind: `FromHead` or `FromServer`."""
        self._incoming = incoming
        self._outgoing = outgoing
        self._frames: Frames[M] = Frames(kind)
        self._arrived: deque[M] = deque()
        self.received_bytes = 0

    def greet(self) -> None:
        """Say that messages follow. Raises CutOffError."""
        self._write(GREETING)

    def await_greeting(self) -> None:
        """Skip what comes before the greeting. Raises CutOffError, WireError (it never came)."""
        noise = b""
        while GREETING not in noise:
            if len(noise) > NOISE_MAX_BYTES:
                raise WireError(f"{len(noise)} bytes came, but no greeting")
            noise += self._read()
        self._take(noise.partition(GREETING)[2])

    def send(self, message: FromHead | FromServer) -> None:
        """Send a message. Raises CutOffError."""
        self._write(encode_frame(message))

    def receive(self) -> M:
        """The next message. Raises CutOffError, WireError."""
        while not self._arrived:
            self._take(self._read())
        return self._arrived.popleft()

    def _take(self, data: bytes) -> None:
        self._arrived.extend(self._frames.feed(data))

    def _read(self) -> bytes:
        try:
            data = os.read(self._incoming, READ_BYTES)
        except OSError as error:
            raise CutOffError(f"the connection broke: {error.strerror}") from error
        if not data:
            raise CutOffError("the connection ended in the middle")
        self.received_bytes += len(data)
        return data

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[os.write(self._outgoing, rest) :]
        except OSError as error:
            raise CutOffError(f"the connection broke: {error.strerror}") from error
