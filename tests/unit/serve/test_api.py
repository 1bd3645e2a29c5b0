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
    return SiteAdministration.of(site.registry, paths.strangers, paths.timeline, site.generations)


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
