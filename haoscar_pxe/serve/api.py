"""The JSON API for administrators: what `node …` shows and changes.

    GET /v1/api/nodes           all nodes
    GET /v1/api/nodes/<name>    one node, with what it reported and what was seen of its boots
    PUT /v1/api/nodes/<name>    make it known and armed, or change it: `nodes.changing.Declaration`
    DELETE /v1/api/nodes/<name>     forget it
    POST /v1/api/nodes/<name>/arm   arm it: `nodes.changing.ArmRequest`, or no body
    GET /v1/api/strangers       machines that ask to boot and are no nodes
    GET /v1/api/generations     {image: [generation, …]}

Each needs an administrator's token (RFC 6750). A refusal is {"error": …, "hint": …}.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

import msgspec
from aiohttp import web

from haoscar_pxe.errors import HaoscarError, NodeError, UnknownNodeError, WireError
from haoscar_pxe.nodes.changing import ArmRequest, Declaration
from haoscar_pxe.serve.answers import Administration
from haoscar_pxe.serve.bearer import bearer_token
from haoscar_pxe.serve.openapi import Operation, description

log = logging.getLogger(__name__)

JSON: Final = "application/json"
NO_TOKEN: Final = NodeError(
    "this needs the token of an administrator",
    hint="'haoscar-pxe administrator add NAME' makes one; send it as 'Authorization: Bearer TOKEN'",
)
OPERATIONS: Final = (
    Operation("GET", "/v1/api/nodes", "nodes", "All nodes"),
    Operation("GET", "/v1/api/nodes/{name}", "node", "One node, its events and its boots"),
    Operation("PUT", "/v1/api/nodes/{name}", "declare", "Declare or change a node", Declaration),
    Operation("DELETE", "/v1/api/nodes/{name}", "forget", "Forget a node"),
    Operation("POST", "/v1/api/nodes/{name}/arm", "arm", "Arm a node", ArmRequest, True),
    Operation("GET", "/v1/api/strangers", "strangers", "Machines that ask and are no nodes"),
    Operation("GET", "/v1/api/generations", "generations", "The generations of each image"),
)


async def describe(request: web.Request) -> web.Response:
    """The description of the API, which is for everybody."""
    return web.Response(body=description(OPERATIONS), content_type=JSON)


def api_routes(administration: Administration) -> list[web.RouteDef]:
    """All routes of the API."""
    api = AdministrationApi(administration)
    return [web.route(each.method, each.path, getattr(api, each.handler)) for each in OPERATIONS]


class AdministrationApi:
    """One method for each route."""

    def __init__(self, administration: Administration) -> None:
        self._administration = administration

    async def nodes(self, request: web.Request) -> web.Response:
        """All nodes."""
        return await self._answer(request, lambda _: self._administration.nodes())

    async def node(self, request: web.Request) -> web.Response:
        """One node; 404 if it is unknown."""
        name = request.match_info["name"]
        return await self._answer(request, lambda _: self._administration.node(name))

    async def declare(self, request: web.Request) -> web.Response:
        """Make a node known, or change it."""
        return await self._change(request, self._administration.declare)

    async def arm(self, request: web.Request) -> web.Response:
        """Its next network boot installs it."""
        return await self._change(request, self._administration.arm)

    async def forget(self, request: web.Request) -> web.Response:
        """The node is a stranger from now on."""
        return await self._change(request, lambda name, _: self._administration.forget(name))

    async def strangers(self, request: web.Request) -> web.Response:
        """Machines that are no nodes."""
        return await self._answer(request, lambda _: self._administration.strangers())

    async def generations(self, request: web.Request) -> web.Response:
        """Which generations there are."""
        return await self._answer(request, lambda _: self._administration.generations())

    async def _change(
        self, request: web.Request, change: Callable[[str, bytes], bytes]
    ) -> web.Response:
        name = request.match_info["name"]
        return await self._answer(request, lambda body: change(name, body), changes=True)

    async def _answer(
        self, request: web.Request, ask: Callable[[bytes], bytes], *, changes: bool = False
    ) -> web.Response:
        """A body counts only from who has a token, and only where it is for something."""
        token = bearer_token(request)
        who = await asyncio.to_thread(self._administration.administrator, token)
        if who is None:
            response = _refused(401, NO_TOKEN)
            response.headers["WWW-Authenticate"] = "Bearer"  # RFC 9110 section 11.6.1
            return response
        try:
            said = await request.read() if changes else b""
            body = await asyncio.to_thread(ask, said)
        except UnknownNodeError as error:
            return _refused(404, error)
        except WireError as error:
            return _refused(400, error)
        except NodeError as error:
            return _refused(409, error)
        except HaoscarError as error:
            return _refused(500, error)
        if changes:
            log.info("api %s: %s %r", who, request.method, request.path)
        headers = {"Cache-Control": "no-store"}
        return web.Response(body=body, content_type=JSON, headers=headers)


def _refused(status: int, error: HaoscarError) -> web.Response:
    body = msgspec.json.encode({"error": str(error), "hint": error.hint})
    return web.Response(status=status, body=body, content_type=JSON)
