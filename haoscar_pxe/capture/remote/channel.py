"""A pair of pipes with messages on them: the ends of an ssh session.

It reads and writes as it is told to; `remote_messages.py` knows what the bytes mean.
"""

from __future__ import annotations

import os
import select
import time
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
from haoscar_pxe.errors import CaptureError, HaoscarError, WireError

READ_BYTES: Final = 256 << 10
GREETS_WITHIN_S: Final = 120.0
"""An agent starts in a second, on an emulated head in ten."""
SHOWN_BYTES: Final = 200

M = TypeVar("M", FromHead, FromServer)


def _no_greeting(noise: bytes, within_s: float) -> CaptureError:
    said = f"; its login said {noise[-SHOWN_BYTES:]!r}" if noise else ""
    return CaptureError(
        f"the agent on the head did not begin within {within_s:g} s{said}",
        hint="does the login of that user wait for something, or start another program? "
        "'ssh HOST true' must end by itself",
    )


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

    def await_greeting(self, within_s: float = GREETS_WITHIN_S) -> None:
        """Skip what comes before the greeting.

        Raises CutOffError, WireError (it never came), CaptureError (not within the time).
        """
        noise = b""
        deadline = time.monotonic() + within_s
        while GREETING not in noise:
            if len(noise) > NOISE_MAX_BYTES:
                raise WireError(f"{len(noise)} bytes came, but no greeting")
            left_s = max(0.0, deadline - time.monotonic())
            if not select.select([self._incoming], [], [], left_s)[0]:
                raise _no_greeting(noise, within_s)
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
