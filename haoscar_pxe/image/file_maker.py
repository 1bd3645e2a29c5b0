"""One process that makes files, forked by `file_makers.py`, and what is said to it and by it.

    to a maker     u32 bytes | MessagePack [[number of the folder's descriptor, file entry], …]
                   with the folders' descriptors beside the first byte (unix(7), SCM_RIGHTS)
    from a maker   u32 bytes | MessagePack [errno, kind, path, message, hint], all zero or empty
                   when the batch is laid down; kind: a class of errors.py

It walks no path at all. It ends when its caller closes the connection, or is gone.
"""

from __future__ import annotations

import os
import signal
import socket
import struct
from collections.abc import Sequence
from typing import Final, NoReturn, TypeAlias

import msgspec

from haoscar_pxe import errors
from haoscar_pxe.errors import HaoscarError
from haoscar_pxe.image.entry import File, SealedFile
from haoscar_pxe.image.laying import lay_file
from haoscar_pxe.image.reader import ChunkReader, extents

BATCH_FOLDERS: Final = 40
"""Folders of a batch. SCM_MAX_FD of linux/net/scm.h is 253, and an ordinary user may have as many
descriptors on their way, to all makers together, as he may open: 1,024 (unix(7), ETOOMANYREFS)."""

Batch: TypeAlias = list[tuple[int, File | SealedFile]]


class Outcome(msgspec.Struct, frozen=True, array_like=True):
    """What became of a batch. number: errno of an OSError at path; kind: of another error."""

    number: int = 0
    kind: str = ""
    path: bytes = b""
    message: str = ""
    hint: str = ""


_LENGTH: Final = struct.Struct("<I")
_encoder = msgspec.msgpack.Encoder()
_batches = msgspec.msgpack.Decoder(Batch)
_outcomes = msgspec.msgpack.Decoder(Outcome)


def send_batch(link: socket.socket, batch: Batch, folders: Sequence[int]) -> None:
    """Give a maker its next files. Raises OSError when it is gone."""
    message = _encoder.encode(batch)
    socket.send_fds(link, [_LENGTH.pack(len(message))], folders)
    link.sendall(message)


def receive_outcome(link: socket.socket) -> Outcome | None:
    """What a maker says of its oldest batch; None when it is gone."""
    length = _exactly(link, b"", _LENGTH.size)
    message = _exactly(link, b"", *_LENGTH.unpack(length)) if length else b""
    return _outcomes.decode(message) if message else None


def error_of(outcome: Outcome) -> HaoscarError:
    """The error of errors.py that the maker met."""
    found = getattr(errors, outcome.kind, HaoscarError)
    assert issubclass(found, HaoscarError)
    return found(outcome.message, hint=outcome.hint)


def work(link: socket.socket, chunks: ChunkReader) -> NoReturn:
    """Make files until the caller has no more. Never returns into the caller's own code."""
    status = 1
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # of the terminal: the caller's to act on
        while (received := _receive_batch(link)) is not None:
            message = _encoder.encode(_lay(*received, chunks))
            link.sendall(_LENGTH.pack(len(message)) + message)
        status = 0
    finally:
        os._exit(status)


def _receive_batch(link: socket.socket) -> tuple[Batch, list[int]] | None:
    """A batch and its folders; None when there is none any more."""
    length, folders, _, _ = socket.recv_fds(link, _LENGTH.size, BATCH_FOLDERS)
    length = _exactly(link, length, _LENGTH.size) if length else b""
    message = _exactly(link, b"", *_LENGTH.unpack(length)) if length else b""
    return (_batches.decode(message), folders) if message else None


def _lay(batch: Batch, folders: list[int], chunks: ChunkReader) -> Outcome:
    path = b""
    try:
        for folder, entry in batch:
            path = entry.path
            lay_file(entry, folders[folder], path.rpartition(b"/")[2], extents(entry, chunks))
    except OSError as error:
        return Outcome(number=error.errno or 0, path=path, message=error.strerror or str(error))
    except HaoscarError as error:
        return Outcome(kind=_kind(error), message=str(error), hint=error.hint)
    finally:
        for fd in folders:
            os.close(fd)
    return Outcome()


def _kind(error: HaoscarError) -> str:
    """The nearest class of errors.py, which is made of a message and a hint."""
    return next(each.__name__ for each in type(error).__mro__ if each.__module__ == errors.__name__)


def _exactly(link: socket.socket, begun: bytes, size_bytes: int) -> bytes:
    """size_bytes bytes that begin with begun; none if the connection ends before."""
    received = bytearray(begun)
    while len(received) < size_bytes:
        try:
            more = link.recv(size_bytes - len(received))
        except ConnectionResetError:  # killed before it read all that it was sent
            return b""
        if not more:
            return b""
        received += more
    return bytes(received)
