from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from haoscar_pxe.serve.counters import Counters
from haoscar_pxe.serve.metrics import Metrics
from tests.unit.serve.fixed_answers import PACK_ID, TOKEN, TWIN_TOKEN, FixedAnswers
from tests.unit.serve.loopback import serving

CONTENT = bytes(range(256)) * 5000
BEARER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def answers(tmp_path: Path) -> FixedAnswers:
    kernel, pack, manifest = (tmp_path / name for name in ("vmlinuz", "pack", "manifest"))
    kernel.write_bytes(CONTENT)
    pack.write_bytes(CONTENT)
    manifest.write_bytes(b"signed")
    return FixedAnswers(
        boot={"primary/1/vmlinuz": kernel},
        stored={PACK_ID: pack, "primary/1": manifest},
    )


@pytest.fixture
async def session(answers: FixedAnswers) -> AsyncIterator[aiohttp.ClientSession]:
    async with serving(answers) as server, aiohttp.ClientSession(server.url) as client:
        yield client


async def test_a_boot_file_is_for_everybody(session: aiohttp.ClientSession) -> None:
    async with session.get("/boot/primary/1/vmlinuz") as response:
        assert response.status == 200
        assert await response.read() == CONTENT


@pytest.mark.parametrize(
    ("range_", "expected"),
    [
        ("bytes=0-0", CONTENT[:1]),
        ("bytes=1000-1999", CONTENT[1000:2000]),
        ("bytes=-16", CONTENT[-16:]),
        ("bytes=1279990-", CONTENT[1279990:]),
    ],
)
async def test_a_range_of_a_pack_is_exactly_that(
    session: aiohttp.ClientSession, range_: str, expected: bytes
) -> None:
    async with session.get(f"/packs/{PACK_ID}.pack", headers={**BEARER, "Range": range_}) as got:
        assert got.status == 206
        assert await got.read() == expected


async def test_a_range_beyond_the_end_is_416(session: aiohttp.ClientSession) -> None:
    asked = {**BEARER, "Range": "bytes=99999999-"}
    async with session.get(f"/packs/{PACK_ID}.pack", headers=asked) as response:
        assert response.status == 416


@pytest.mark.parametrize("path", [f"/packs/{PACK_ID}.pack", "/images/primary/1.manifest"])
@pytest.mark.parametrize(
    "headers",
    [{}, {"Authorization": "Bearer wrong"}, {"Authorization": TOKEN}, {"Authorization": "Bearer"}],
)
async def test_content_is_not_for_who_has_no_token(
    session: aiohttp.ClientSession, path: str, headers: dict[str, str]
) -> None:
    async with session.get(path, headers=headers) as response:
        assert response.status == 401
        assert CONTENT[:64] not in await response.read()


async def test_manifest_and_packs_of_a_generation(session: aiohttp.ClientSession) -> None:
    async with session.get("/images/primary/1.manifest", headers=BEARER) as response:
        assert await response.read() == b"signed"
    async with session.get("/images/primary/1.packs", headers=BEARER) as response:
        assert await response.json() == [PACK_ID]
    async with session.get("/images/primary/2.packs", headers=BEARER) as response:
        assert response.status == 404


async def test_the_generations_of_another_image_are_as_if_they_were_not(
    session: aiohttp.ClientSession, answers: FixedAnswers
) -> None:
    for name in ("1.manifest", "1.packs", "1-2.delta"):
        answers.stored["other/1"] = answers.stored["primary/1"]
        async with session.get(f"/images/other/{name}", headers=BEARER) as response:
            assert response.status == 404


async def test_nodes_are_told_to_the_other_server_alone_and_once(
    session: aiohttp.ClientSession,
) -> None:
    async with session.get("/v1/nodes", headers=BEARER) as response:
        assert response.status == 401
    twin = {"Authorization": f"Bearer {TWIN_TOKEN}"}
    async with session.get("/v1/nodes", headers=twin) as response:
        assert (response.status, await response.read()) == (200, b"{}")
        tag = response.headers["ETag"]
    async with session.get("/v1/nodes", headers={**twin, "If-None-Match": tag}) as response:
        assert (response.status, await response.read()) == (304, b"")


async def test_an_order_or_why_there_is_none(session: aiohttp.ClientSession) -> None:
    async with session.get("/v1/order", params={"mac": "52:54:00:00:00:01"}) as response:
        assert await response.json() == {"node": "standby"}
    async with session.get("/v1/order", params={"mac": "52:54:00:00:00:02"}) as response:
        assert response.status == 404
        assert await response.text() == "no node has the MAC 52:54:00:00:00:02\n"
    async with session.get("/v1/order") as response:
        assert response.status == 400


async def test_an_event_is_recorded_for_who_has_the_token(
    session: aiohttp.ClientSession, answers: FixedAnswers
) -> None:
    async with session.post("/v1/events", data=b"{}", headers=BEARER) as response:
        assert response.status == 204
    async with session.post("/v1/events", data=b"{}") as response:
        assert response.status == 401
    async with session.post("/v1/events", data=bytes(1 << 20), headers=BEARER) as response:
        assert response.status == 413
    assert answers.events == [b"{}"]


TRAVERSALS = [
    "/boot/../../etc/passwd",
    "/boot/primary/..%2f..%2f..%2fetc/passwd",
    "/boot/primary/%2e%2e/%2e%2e/etc/passwd",
    "/boot//etc/passwd",
    "/boot/primary/1/vmlinuz%00",
    "/boot/primary/1/..\\vmlinuz",
    "/images/..%2fprimary/1.manifest",
    "/images/primary/1e9.manifest",
    "/images/primary/99999999999999999999.manifest",
    "/packs/..%2f..%2fetc%2fpasswd.pack",
    "/packs/%ff%fe.pack",
]


@pytest.mark.parametrize("path", TRAVERSALS)
async def test_a_path_that_leads_elsewhere_finds_nothing(answers: FixedAnswers, path: str) -> None:
    """Written to a bare socket: every decent client would tidy the path up first."""
    async with serving(answers) as server:
        reply = await raw(server.http_port, f"GET {path} HTTP/1.0\r\nAuthorization: Bearer {TOKEN}")
    assert reply.split()[1] in (b"404", b"400")
    assert b"root:" not in reply


async def raw(port: int, request: str) -> bytes:
    """Send a request as it stands and read all that comes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request.encode("latin-1") + b"\r\nHost: x\r\n\r\n")
    try:
        return await asyncio.wait_for(reader.read(), 5)
    finally:
        writer.close()
        await writer.wait_closed()


OVERLAPPING = ",".join(f"0-{end}" for end in range(1000))


@pytest.mark.parametrize("path", ["/boot/primary/1/vmlinuz", f"/packs/{PACK_ID}.pack"])
@pytest.mark.parametrize("ranges", [OVERLAPPING, "0-1,0-2", "-0", "5-1", "x", "0-" + "9" * 400])
async def test_ranges_that_nobody_needs_cost_nothing(
    answers: FixedAnswers, path: str, ranges: str
) -> None:
    """Each overlapping range would be the file once more: no answer is longer than the file."""
    authorization = f"Authorization: Bearer {TOKEN}"
    async with serving(answers) as server:
        request = f"GET {path} HTTP/1.0\r\n{authorization}\r\nRange: bytes={ranges}"
        reply = await raw(server.http_port, request)
    assert reply.split()[1] in (b"200", b"206", b"400", b"416")
    head, _, body = reply.partition(b"\r\n\r\n")
    assert len(body) <= len(CONTENT)
    assert b"multipart" not in head


async def test_what_is_no_http_is_counted_and_harms_nobody(answers: FixedAnswers) -> None:
    async with serving(answers) as server:
        for request in ("\x16\x03\x01\x02\x00", "GET / HTTP/9.9", "GET", "A" * 9000, "\0\0"):
            await raw(server.http_port, request)
        async with aiohttp.ClientSession(server.url) as client, client.get("/health") as response:
            health = await response.json()
    assert health["status"] == "ok"
    assert health["counters"]["http malformed"] >= 3


async def test_a_bug_in_the_decision_is_500_for_its_request_alone(answers: FixedAnswers) -> None:
    answers.boot = None  # type: ignore[assignment]
    async with serving(answers) as server, aiohttp.ClientSession(server.url) as client:
        async with client.get("/boot/primary/1/vmlinuz") as response:
            assert response.status == 500
            assert "Traceback" not in await response.text()
        async with client.get("/health") as response:
            assert response.status == 200


async def test_prometheus_reads_what_was_counted(session: aiohttp.ClientSession) -> None:
    async with session.get("/metrics") as response:
        assert response.headers["Content-Type"].startswith("text/plain; version=")
        families = {
            family.name: family.samples
            for family in text_string_to_metric_families(await response.text())
        }
    assert families["process_open_fds"][0].value > 3
    assert "haoscar_pxe_events" in families


def test_each_counter_is_a_sample_with_its_protocol() -> None:
    counters = Counters()
    counters.count("tftp finished", by=3)
    counters.count("dhcp other server chosen")
    text = Metrics(counters).text().decode()
    samples = {
        (sample.labels["protocol"], sample.labels["event"]): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "haoscar_pxe_events_total"
    }
    assert samples == {("tftp", "finished"): 3, ("dhcp", "other server chosen"): 1}


async def test_a_boots_files_and_its_order_are_in_the_peers_timeline_and_packs_are_not(
    session: aiohttp.ClientSession, answers: FixedAnswers
) -> None:
    for path in ("/boot/primary/1/vmlinuz", f"/packs/{PACK_ID}.pack", "/v1/order?mac=a%0Aforged"):
        async with session.get(path, headers=BEARER) as response:
            await response.read()
    async with asyncio.timeout(3):
        while len(answers.happenings) < 2:
            await asyncio.sleep(0.01)
    (peer, fetched), (_, refused) = answers.happenings
    assert (peer, fetched.kind) == ("127.0.0.1", "fetched")
    assert fetched.message == "GET '/boot/primary/1/vmlinuz'"
    assert fetched.size_bytes == len(CONTENT)
    assert refused.kind == "refused"
    assert refused.message == r"GET '/v1/order' (no node has the MAC a\nforged)"


async def test_only_who_did_not_take_all_of_a_file_broke_off(
    answers: FixedAnswers, tmp_path: Path
) -> None:
    (tmp_path / "big").write_bytes(bytes(64 << 20))
    answers.boot = {**answers.boot, "primary/1/initramfs": tmp_path / "big"}
    async with serving(answers) as server:
        for _ in range(20):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.http_port)
            writer.write(b"GET /boot/primary/1/vmlinuz HTTP/1.0\r\n\r\n")
            assert (await reader.read()).endswith(CONTENT)
            writer.close()
        reader, writer = await asyncio.open_connection("127.0.0.1", server.http_port)
        writer.write(b"GET /boot/primary/1/initramfs HTTP/1.1\r\nHost: a\r\n\r\n")
        await reader.readexactly(1 << 20)
        writer.transport.abort()
        async with asyncio.timeout(5):
            while len(answers.happenings) < 21:
                await asyncio.sleep(0.01)
    kinds = [each.kind for _, each in answers.happenings]
    assert kinds == ["fetched"] * 20 + ["broke off"]
