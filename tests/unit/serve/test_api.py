"""The API for administrators, over a real registry and repository, asked over HTTP."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from haoscar_pxe.boot.administration import SiteAdministration
from haoscar_pxe.cli.site import Site
from haoscar_pxe.nodes.strangers import Stranger
from haoscar_pxe.nodes.timeline import Happening
from tests.unit.cli.site_folder import call, make
from tests.unit.serve.fixed_answers import FixedAnswers
from tests.unit.serve.loopback import serving

PATHS = ("nodes", "nodes/standby", "nodes/nobody", "strangers", "generations")
MAC = "52:54:00:00:00:20"
SEEN = Happening(at_ns=5, kind="decided", message="install")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = make(tmp_path)
    added = call(path, "node", "add", "standby", "--mac", MAC, "--address", "10.77.0.20/24")
    assert added.exit_code == 0, added.output
    return path


@pytest.fixture
def administration(config: Path) -> SiteAdministration:
    site = Site(config)
    paths = site.config.paths
    own = lambda: site.own_registry  # noqa: E731
    return SiteAdministration.of(
        own, site.registry, paths.strangers, paths.timeline, site.generations
    )


@pytest.fixture
async def session(
    config: Path, administration: SiteAdministration
) -> AsyncIterator[aiohttp.ClientSession]:
    token = call(config, "administrator", "add", "alice").stdout.strip()
    bearer = {"Authorization": f"Bearer {token}"}
    async with (
        serving(FixedAnswers(administration=administration)) as server,
        aiohttp.ClientSession(f"{server.url}/v1/api/", headers=bearer) as client,
    ):
        yield client


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("said", ["", "Bearer", "Bearer wrong", "Basic YTpi", "Bearer \udcff"])
async def test_nobody_else_is_told_anything(
    session: aiohttp.ClientSession, path: str, said: str
) -> None:
    async with session.get(path, headers={"Authorization": said}) as response:
        assert response.status == 401
        assert response.headers["WWW-Authenticate"] == "Bearer"
        refusal = await response.json()
    assert "haoscar-pxe administrator add" in refusal["hint"]
    assert refusal.keys() == {"error", "hint"}


async def test_the_order_of_a_node_opens_no_api(
    session: aiohttp.ClientSession, administration: SiteAdministration
) -> None:
    token = administration.registry.get("standby").order_token
    async with session.get("nodes", headers={"Authorization": f"Bearer {token}"}) as response:
        assert response.status == 401


async def test_nodes_are_told_as_the_command_line_prints_them(
    session: aiohttp.ClientSession, administration: SiteAdministration, config: Path
) -> None:
    administration.timeline.keep([("standby", SEEN)])
    secret = administration.registry.get("standby").order_token
    for path, words in (("nodes", ("list",)), ("nodes/standby", ("show", "standby"))):
        async with session.get(path) as response:
            assert response.status == 200
            body = await response.text()
        assert secret not in body
        assert json.loads(body) == json.loads(call(config, "node", *words, "--json").stdout)
    assert json.loads(body)["happenings"][0]["message"] == "install"


async def test_an_unknown_node_is_404_with_the_command_lines_words(
    session: aiohttp.ClientSession,
) -> None:
    async with session.get("nodes/nobody") as response:
        assert response.status == 404
        assert await response.json() == {
            "error": "there is no node 'nobody'",
            "hint": "known: standby",
        }


async def test_strangers_are_machines_that_are_no_nodes(
    session: aiohttp.ClientSession, administration: SiteAdministration
) -> None:
    other = "52:54:00:00:00:99"
    seen = {mac: Stranger(mac=mac, first_ns=1, last_ns=2) for mac in (MAC, other)}
    administration.strangers_file.keep(seen)
    async with session.get("strangers") as response:
        assert [each["mac"] for each in await response.json()] == [other]


async def test_generations_are_those_of_the_repository(session: aiohttp.ClientSession) -> None:
    async with session.get("generations") as response:
        assert await response.json() == {"primary": [1]}


async def test_a_token_that_was_taken_away_opens_nothing_at_once(
    session: aiohttp.ClientSession, config: Path
) -> None:
    assert call(config, "administrator", "remove", "alice").exit_code == 0
    async with session.get("nodes") as response:
        assert response.status == 401


CARD = {"mac": "52-54-00-00-00-21", "address": "10.77.0.21/24"}


async def test_a_node_is_declared_changed_armed_and_forgotten(
    session: aiohttp.ClientSession, administration: SiteAdministration
) -> None:
    async with session.put("nodes/second", json={"interfaces": [CARD]}) as response:
        assert response.status == 200
        made = await response.json()
    assert (made["state"], made["order_token"]) == ("armed", "(hidden)")
    assert made["interfaces"][0]["mac"] == "52:54:00:00:00:21"
    told = {"interfaces": [CARD], "disk": "serial:X1"}
    async with session.put("nodes/second", json=told) as response:
        changed = await response.json()
    assert changed == {**made, "disk": "serial:X1"}
    async with session.post("nodes/second/arm", json={"for_s": 60, "orders": 1}) as response:
        assert (await response.json())["arming"]["orders"] == 1
    async with session.post("nodes/second/arm") as response:
        assert (await response.json())["arming"]["orders"] == 3
    administration.timeline.keep([("second", SEEN)])
    async with session.delete("nodes/second") as response:
        assert response.status == 200
    assert administration.timeline.of("second") == []
    async with session.delete("nodes/second") as response:
        assert response.status == 404


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff",
        b"[" * 100_000,
        b'{"a":' * 40_000,
        b'{"interfaces":' + b"[" * 100_000,
        b'{"interfaces": [], "state": "installed"}',
    ],
)
async def test_a_body_that_is_no_declaration_is_400(
    session: aiohttp.ClientSession, body: bytes
) -> None:
    async with session.put("nodes/second", data=body) as response:
        assert response.status == 400
        assert (await response.json()).keys() == {"error", "hint"}


@pytest.mark.parametrize(
    "told", ['{"for_s": 1e300}', '{"for_s": -1}', '{"orders": 0}', '{"orders": 1e30}']
)
async def test_an_arming_that_makes_no_sense_is_400(
    session: aiohttp.ClientSession, told: str
) -> None:
    async with session.post("nodes/standby/arm", data=told) as response:
        assert response.status == 400


async def test_a_body_of_a_mebibyte_is_413(session: aiohttp.ClientSession) -> None:
    async with session.put("nodes/second", data=bytes(1 << 20)) as response:
        assert response.status == 413


async def test_what_the_registry_refuses_is_409_in_its_own_words(
    session: aiohttp.ClientSession,
) -> None:
    taken = {"mac": MAC, "address": "10.77.0.30/24"}
    for told, words in (
        ({"interfaces": [taken]}, "belongs to node standby"),
        ({"interfaces": []}, "no interface"),
        ({"interfaces": [CARD], "disk": "sda"}, "names no disk"),
    ):
        async with session.put("nodes/second", json=told) as response:
            assert response.status == 409
            assert words in (await response.json())["error"]


async def test_who_has_no_token_changes_nothing(
    session: aiohttp.ClientSession, administration: SiteAdministration
) -> None:
    before = administration.registry.nodes()
    wrong = {"Authorization": "Bearer wrong"}
    for method, path in (("PUT", "second"), ("DELETE", "standby"), ("POST", "standby/arm")):
        async with session.request(method, f"nodes/{path}", headers=wrong, data=b"{}") as response:
            assert response.status == 401
    assert administration.registry.nodes() == before
