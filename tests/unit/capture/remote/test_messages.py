"""Messages between image server and head: what was sent comes out, everything else is refused."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haoscar_pxe.capture.files.secrets import SecretRules
from haoscar_pxe.capture.hooks import Hooks
from haoscar_pxe.capture.remote.messages import (
    MAX_FRAME_BYTES,
    Content,
    Expect,
    Failed,
    Frames,
    FromHead,
    FromServer,
    Item,
    Lacking,
    Offer,
    Request,
    encode_frame,
)
from haoscar_pxe.capture.snapshot.sight import Wish
from haoscar_pxe.errors import WireError
from haoscar_pxe.image.pack import Kind

FROM_HEAD: list[FromHead] = [
    Expect(2**40),
    Offer((Item(Kind.DATA, b"a" * 32), Item(Kind.META, b"b" * 32)), 4096, 1),
    Content(1, 100, b"\x28\xb5"),
    Failed("no room", "make some"),
]
REQUEST = Request(
    root=b"/srv/\xff",
    image="primary",
    never=((b"/scratch", "excluded"),),
    sealing_key=bytes(32),
    rules=SecretRules(add=("*.secret",)),
    layout=None,
    live=False,
    wish=Wish("auto", 20),
    hooks=Hooks((("sync",),)),
)


def fed(data: bytes) -> list[FromHead]:
    frames: Frames[FromHead] = Frames(FromHead)
    return list(frames.feed(data))


def framed(payload: bytes) -> bytes:
    return struct.pack(">I", len(payload)) + payload


def test_messages_arrive_as_they_were_sent_however_the_stream_is_cut() -> None:
    stream = b"".join(map(encode_frame, FROM_HEAD))
    frames: Frames[FromHead] = Frames(FromHead)
    one_by_one = [m for byte in stream for m in frames.feed(bytes([byte]))]
    assert one_by_one == fed(stream) == FROM_HEAD
    assert frames.is_between


def test_the_server_side_of_the_conversation_round_trips() -> None:
    frames: Frames[FromServer] = Frames(FromServer)
    sent: list[FromServer] = [REQUEST, Lacking((0, 5, 511))]
    assert list(frames.feed(b"".join(map(encode_frame, sent)))) == sent


def test_a_frame_is_length_and_canonical_message_pack() -> None:
    assert encode_frame(Expect(7)) == bytes.fromhex(
        "0000001a82a474797065a6657870656374ab746f74616c5f627974657307"
    )


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xc0",
        encode_frame(Expect(7))[4:] + b"\0",
        encode_frame(Expect(7))[4:-1] + b"\xcd\0\x07",
        encode_frame(REQUEST)[4:],
        encode_frame(Expect(7))[4:].replace(b"total_bytes", b"total_lies!"),
        b"\x91" * 100_000,
    ],
    ids=["empty", "nil", "more", "not shortest", "not its to say", "unknown field", "too deep"],
)
def test_what_is_no_message_is_refused(payload: bytes) -> None:
    with pytest.raises(WireError):
        fed(framed(payload))


def test_a_frame_that_claims_too_much_is_refused_before_it_arrives() -> None:
    with pytest.raises(WireError, match="claims 4294967295 bytes"):
        fed(b"\xff\xff\xff\xff")
    with pytest.raises(WireError):
        fed(struct.pack(">I", MAX_FRAME_BYTES + 1))


@given(st.binary(max_size=300))
def test_any_payload_is_a_message_or_a_wire_error(payload: bytes) -> None:
    try:
        messages = fed(framed(payload))
    except WireError:
        return
    assert b"".join(map(encode_frame, messages)) == framed(payload)


@given(st.data())
def test_any_changed_byte_of_a_message_is_a_message_or_a_wire_error(data: st.DataObject) -> None:
    frame = bytearray(encode_frame(data.draw(st.sampled_from(FROM_HEAD))))
    place = data.draw(st.integers(0, len(frame) - 1))
    frame[place] = data.draw(st.integers(0, 255))
    try:
        fed(bytes(frame))
    except WireError:
        return
