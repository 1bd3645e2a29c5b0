"""The JSON API for administrators: what `node list`, `node show` and `node discover` show.

    GET /v1/api/nodes           all nodes
    GET /v1/api/nodes/<name>    one node, with what it reported and what was seen of its boots
    GET /v1/api/strangers       machines that ask to boot and are no nodes
    GET /v1/api/generations     {image: [generation, …]}

Each needs an administrator's token (RFC 6750). A refusal is {"error": …, "hint": …}.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import msgspec
from aiohttp import web

from haoscar_pxe.errors import HaoscarError, NodeError
from haoscar_pxe.serve.answers import Administration
from haoscar_pxe.serve.bearer import bearer_token

JSON: Final = "application/json"
NO_TOKEN: Final = NodeError(
    "this needs the token of an administrator",
    hint="'haoscar-pxe administrator add NAME' makes one; send it as 'Authorization: Bearer TOKEN'",
)


def api_routes(administration: Administration) -> list[web.RouteDef]:
    """All routes of the API."""
    api = AdministrationApi(administration)
    return [
        web.get("/v1/api/nodes", api.nodes),
        web.get("/v1/api/nodes/{name}", api.node),
        web.get("/v1/api/strangers", api.strangers),
        web.get("/v1/api/generations", api.generations),
    ]


class AdministrationApi:
    """One method for each route."""

    def __init__(self, administration: Administration) -> None:
        self._administration = administration

    async def nodes(self, request: web.Request) -> web.Response:
        """All nodes."""
        return await self._answer(request, self._administration.nodes)

    async def node(self, request: web.Request) -> web.Response:
        """One node; 404 if it is unknown."""
        name = request.match_info["name"]
        return await self._answer(request, lambda: self._administration.node(name))

    async def strangers(self, request: web.Request) -> web.Response:
        """Machines that are no nodes."""
        return await self._answer(request, self._administration.strangers)

    async def generations(self, request: web.Request) -> web.Response:
        """Which generations there are."""
        return await self._answer(request, self._administration.generations)

    async def _answer(self, request: web.Request, ask: Callable[[], bytes]) -> web.Response:
        token = bearer_token(request)
        if await asyncio.to_thread(self._administration.administrator, token) is None:
            response = _refused(401, NO_TOKEN)
            response.headers["WWW-Authenticate"] = "Bearer"  # RFC 9110 section 11.6.1
            return response
        try:
            body = await asyncio.to_thread(ask)
        except NodeError as error:
            return _refused(404, error)
        except HaoscarError as error:
            return _refused(500, error)
        headers = {"Cache-Control": "no-store"}
        return web.Response(body=body, content_type=JSON, headers=headers)


def _refused(status: int, error: HaoscarError) -> web.Response:
    body = msgspec.json.encode({"error": str(error), "hint": error.hint})
    return web.Response(status=status, body=body, content_type=JSON)
