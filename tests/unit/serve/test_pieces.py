from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp.test_utils import make_mocked_request

from haoscar_pxe.serve.pieces import LARGEST_PIECE_BYTES, MOST_OPEN, RIGHT_S, PackPieces
from tests.unit.serve.fixed_answers import PACK_ID, TOKEN, FixedAnswers
from tests.unit.serve.loopback import serving

CONTENT = os.urandom(2 * LARGEST_PIECE_BYTES + 7)
URL = f"/packs/{PACK_ID}.pack"
BEARER = {"Authorization": f"Bearer {TOKEN}"}


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pieces(clock: Clock) -> Iterator[PackPieces]:
    made = PackPieces("private", clock)
    yield made
    made.close()


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    path = tmp_path / "pack"
    path.write_bytes(CONTENT)
    return path


def asked(pieces: PackPieces, range_: str, token: str = TOKEN, **headers: str) -> bytes | None:
    """What is answered at once."""
    given = {"Range": range_, **{name.replace("_", "-"): value for name, value in headers.items()}}
    response = pieces.answer(make_mocked_request("GET", URL, headers=given), token, PACK_ID)
    if response is None:
        return None
    assert response.status == 206
    assert isinstance(response.body, bytearray)
    return bytes(response.body)


def test_a_piece_is_answered_at_once_to_who_may_read_it(pieces: PackPieces, pack: Path) -> None:
    assert asked(pieces, "bytes=5-9") is None
    pieces.may_read(TOKEN, PACK_ID, pack)
    assert asked(pieces, "bytes=5-9") == CONTENT[5:10]
    assert asked(pieces, f"bytes={len(CONTENT) - 1}-{len(CONTENT) - 1}") == CONTENT[-1:]
    assert asked(pieces, "bytes=5-9", token="another") is None


def test_a_right_is_over_after_a_moment(pieces: PackPieces, pack: Path, clock: Clock) -> None:
    pieces.may_read(TOKEN, PACK_ID, pack)
    clock.now_s += RIGHT_S - 0.1
    assert asked(pieces, "bytes=0-0") is not None
    clock.now_s += 0.1
    assert asked(pieces, "bytes=0-0") is None


@pytest.mark.parametrize(
    "range_",
    [
        "",
        "bytes=0-",
        "bytes=-5",
        "bytes=9-5",
        "bytes=0-1,4-5",
        f"bytes=0-{len(CONTENT)}",
        f"bytes=0-{LARGEST_PIECE_BYTES}",
        "bytes=0-9999999999999999",
        "lines=0-1",
    ],
)
def test_what_is_no_small_piece_goes_the_slow_way(
    pieces: PackPieces, pack: Path, range_: str
) -> None:
    pieces.may_read(TOKEN, PACK_ID, pack)
    assert asked(pieces, range_) is None


@pytest.mark.parametrize("header", ["If_Range", "If_None_Match", "If_Match", "If_Modified_Since"])
def test_a_conditional_request_goes_the_slow_way(
    pieces: PackPieces, pack: Path, header: str
) -> None:
    pieces.may_read(TOKEN, PACK_ID, pack)
    assert asked(pieces, "bytes=0-1", **{header: '"x"'}) is None


def test_a_pack_that_was_written_again_is_opened_again(pieces: PackPieces, pack: Path) -> None:
    pieces.may_read(TOKEN, PACK_ID, pack)
    pack.unlink()
    pack.write_bytes(b"other content")
    pieces.may_read(TOKEN, PACK_ID, pack)
    assert asked(pieces, "bytes=0-4") == b"other"


def test_a_pack_that_is_gone_is_not_answered_for(pieces: PackPieces, tmp_path: Path) -> None:
    pieces.may_read(TOKEN, PACK_ID, tmp_path / "gone")
    assert asked(pieces, "bytes=0-1") is None


def test_no_more_packs_are_open_than_allowed(pieces: PackPieces, pack: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for number in range(MOST_OPEN + 20):
        pieces.may_read(TOKEN, f"{number:04x}", pack)
    assert len(os.listdir("/proc/self/fd")) == before + MOST_OPEN
    pieces.close()
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.fixture
async def session(pack: Path) -> AsyncIterator[aiohttp.ClientSession]:
    answers = FixedAnswers(stored={PACK_ID: pack})
    async with serving(answers) as server, aiohttp.ClientSession(server.url) as client:
        yield client


async def test_both_ways_answer_the_same(session: aiohttp.ClientSession) -> None:
    """The first goes the slow way, by sendfile; the second from memory."""
    told = []
    for _ in range(2):
        async with session.get(URL, headers={**BEARER, "Range": "bytes=70-99"}) as response:
            assert await response.read() == CONTENT[70:100]
            headers = {name.lower(): value for name, value in response.headers.items()}
            del headers["date"]
            told.append((response.status, headers))
    assert told[0] == told[1]
