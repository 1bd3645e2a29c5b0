"""`GET /images/<image>/<from>-<to>.delta` over real sockets."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest

from haoscar_pxe.nodes.asking import Refusal
from haoscar_pxe.serve import deltas
from tests.unit.serve.fixed_answers import TOKEN, FixedAnswers
from tests.unit.serve.loopback import serving

CONTENT = bytes(range(256)) * 5000
BEARER = {"Authorization": f"Bearer {TOKEN}"}
PATH = "/images/primary/1-2.delta"


@dataclass
class Making(FixedAnswers):
    """Answers whose delta takes until `may_end` is set. made: how often one was begun."""

    path: Path = Path("unset")
    may_end: threading.Event = field(default_factory=threading.Event)
    made: int = 0
    fails: bool = False

    def delta(self, image: str, older: int, newer: int) -> Path | Refusal | None:
        if (image, older, newer) != ("primary", 1, 2):
            return Refusal(404, f"there is no generation {newer} of {image}")
        return self.path if self.path.exists() else None

    def make_delta(self, image: str, older: int, newer: int) -> Path | Refusal:
        if self.path.exists():
            return self.path
        self.made += 1
        assert self.may_end.wait(20)
        if self.fails:
            raise RuntimeError("a bug in the maker")
        half_made = self.path.with_suffix(".half")
        half_made.write_bytes(CONTENT)
        return half_made.rename(self.path)


@pytest.fixture
def answers(tmp_path: Path) -> Making:
    return Making(path=tmp_path / "made.delta")


@pytest.fixture
def ready(answers: Making) -> Making:
    answers.path.write_bytes(CONTENT)
    return answers


async def test_all_who_ask_wait_for_one_maker_and_others_are_answered(answers: Making) -> None:
    async with serving(answers) as server, aiohttp.ClientSession(server.url) as client:

        async def fetch() -> bytes:
            async with client.get(PATH, headers=BEARER) as response:
                return await response.read()

        waiting = [asyncio.create_task(fetch()) for _ in range(60)]
        while not answers.made:
            await asyncio.sleep(0.01)
        for _ in range(40):
            async with client.get("/health") as response:
                assert response.status == 200
            async with client.get("/images/primary/1.packs", headers=BEARER) as response:
                assert response.status == 404
        answers.may_end.set()
        assert await asyncio.gather(*waiting) == [CONTENT] * 60
    assert answers.made == 1


async def test_who_has_waited_long_is_told_to_come_again(
    answers: Making, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deltas, "WAIT_S", 0.05)
    async with serving(answers) as server, aiohttp.ClientSession(server.url) as client:
        for _ in range(2):
            async with client.get(PATH, headers=BEARER) as response:
                assert response.status == 503
                assert response.headers["Retry-After"] == "2"
                assert "come again" in await response.text()
        answers.may_end.set()
        while not answers.path.exists():
            await asyncio.sleep(0.01)
        async with client.get(PATH, headers=BEARER) as response:
            assert await response.read() == CONTENT
    assert answers.made == 1


async def test_a_maker_that_breaks_is_500_for_who_waits_and_begins_anew(answers: Making) -> None:
    answers.fails = True
    answers.may_end.set()
    async with serving(answers) as server, aiohttp.ClientSession(server.url) as client:
        async with client.get(PATH, headers=BEARER) as response:
            assert response.status == 500
        answers.fails = False
        async with client.get(PATH, headers=BEARER) as response:
            assert await response.read() == CONTENT


async def test_a_client_that_left_does_not_stop_the_maker(answers: Making) -> None:
    async with serving(answers) as server, aiohttp.ClientSession(server.url) as client:
        with pytest.raises(TimeoutError):
            await client.get(PATH, headers=BEARER, timeout=aiohttp.ClientTimeout(total=0.1))
        answers.may_end.set()
        async with client.get(PATH, headers=BEARER) as response:
            assert await response.read() == CONTENT
    assert answers.made == 1


async def test_stopping_waits_for_no_maker(answers: Making) -> None:
    async with serving(answers) as server, aiohttp.ClientSession(server.url) as client:
        with pytest.raises(TimeoutError):
            await client.get(PATH, headers=BEARER, timeout=aiohttp.ClientTimeout(total=0.1))
        server.stop.set()
    assert not answers.path.exists()
    answers.may_end.set()


async def test_there_may_be_none(ready: Making) -> None:
    async with serving(ready) as server, aiohttp.ClientSession(server.url) as client:
        async with client.get("/images/primary/1-3.delta", headers=BEARER) as response:
            assert response.status == 404
            assert await response.text() == "there is no generation 3 of primary\n"
        for path in ("/images/primary/1-.delta", "/images/primary/1-2-3.delta"):
            async with client.get(path, headers=BEARER) as response:
                assert response.status == 404


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}])
async def test_it_is_not_for_who_has_no_token(answers: Making, headers: dict[str, str]) -> None:
    async with (
        serving(answers) as server,
        aiohttp.ClientSession(server.url) as client,
        client.get(PATH, headers=headers) as response,
    ):
        assert response.status == 401
    assert answers.made == 0


async def test_head_ranges_and_conditions(ready: Making) -> None:
    async with serving(ready) as server, aiohttp.ClientSession(server.url) as client:
        async with client.head(PATH, headers=BEARER) as response:
            assert response.headers["Content-Length"] == str(len(CONTENT))
            assert response.headers["Accept-Ranges"] == "bytes"
            etag = response.headers["ETag"]
        asked = {**BEARER, "Range": "bytes=1000-1999"}
        async with client.get(PATH, headers=asked) as response:
            assert response.status == 206
            assert await response.read() == CONTENT[1000:2000]
        async with client.get(PATH, headers={**BEARER, "If-None-Match": etag}) as response:
            assert response.status == 304
        async with client.get(PATH, headers={**asked, "If-Range": etag}) as response:
            assert response.status == 206
        for old in ('"0-0"', f"W/{etag}"):
            async with client.get(PATH, headers={**asked, "If-Range": old}) as response:
                assert response.status == 200
                assert await response.read() == CONTENT
        async with client.get(PATH, headers={**asked, "If-Match": '"0-0"'}) as response:
            assert response.status == 412
