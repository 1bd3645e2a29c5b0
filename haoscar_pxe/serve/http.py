"""HTTP: boot files, manifests and packs by sendfile with ranges; orders out, events in.

    GET  /boot/<…>/<file>                   kernel, initramfs, boot program, iPXE's script
    GET  /v1/order?mac=<MAC>                the install order of that node, as JSON
    GET  /v1/sync                           what an installed node is to become, as JSON; its token
    POST /v1/events                         a NodeEvent, as JSON; needs the order's token
    GET  /v1/nodes                          all nodes, as JSON, for a twin's token
    GET  /v1/openapi.json                   what the API for administrators is (OpenAPI 3.1)
    GET  /images                            {image: [generation, …]}, as JSON
    GET  /images/<image>/<generation>.manifest
    GET  /images/<image>/<generation>.packs the ids of all packs of a generation, as JSON
    GET  /images/<image>/<from>-<to>.delta  what generation <to> has and <from> lacks
    GET  /packs/<id>.pack                   all five need a token: an order's is for its image, a
                                            mirror's for all
    GET  /health                            what was counted so far, as JSON
    GET  /metrics                           the same and the process, for Prometheus
    GET  /v1/api/…                          for administrators (`api.py`)

The token is sent as "Authorization: Bearer <token>" (RFC 6750). A refusal is one line of text.
Answers are asked in threads: they may render, read the repository or wait for the registry.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Final

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler

from haoscar_pxe.errors import HaoscarError
from haoscar_pxe.nodes.asking import Reads, Refusal
from haoscar_pxe.serve.answers import Answers
from haoscar_pxe.serve.api import api_routes, describe
from haoscar_pxe.serve.bearer import bearer_token
from haoscar_pxe.serve.counters import Counters
from haoscar_pxe.serve.deltas import DeltaMakers
from haoscar_pxe.serve.http_log import ANSWERS, SentFile, refused
from haoscar_pxe.serve.metrics import CONTENT_TYPE, Metrics
from haoscar_pxe.serve.patience import Patience
from haoscar_pxe.serve.pieces import PackPieces

log = logging.getLogger(__name__)

LARGEST_BODY_BYTES: Final = 256 << 10
LONGEST_GENERATION: Final = 9  # digits
NAME: Final = "[0-9A-Za-z][0-9A-Za-z._-]*"  # matched before %-escapes are undone: no "%2f"
FOREVER: Final = "private, max-age=31536000, immutable"  # named by content, and not for everybody
REVALIDATED: Final = "private, no-cache"  # the generations of these numbers may become others
JSON: Final = "application/json"
NO_TOKEN: Final = Refusal(401, "this needs the token of an install order, or of a mirror")
NO_GENERATION: Final = Refusal(404, "there is no such generation")


def make_application(answers: Answers, counters: Counters, patience: Patience) -> web.Application:
    """The application with all its routes; `runner` of `server.py` gives it a socket."""
    handlers = HttpService(answers, counters)
    application = web.Application(
        client_max_size=LARGEST_BODY_BYTES, middlewares=[_boundary, patience.watched]
    )
    application[ANSWERS] = answers
    application.on_cleanup.extend([handlers.close, patience.close])
    generation = _number("generation")
    application.add_routes(
        [
            web.get(f"/boot/{{name:{NAME}(?:/{NAME})+}}", handlers.boot_file),
            web.get("/v1/order", handlers.order),
            web.get("/v1/sync", handlers.sync_order),
            web.post("/v1/events", handlers.event),
            web.get("/v1/nodes", handlers.nodes),
            web.get("/v1/openapi.json", describe),
            web.get("/images", handlers.images),
            web.get(f"/images/{{image:{NAME}}}/{generation}.manifest", handlers.manifest),
            web.get(f"/images/{{image:{NAME}}}/{generation}.packs", handlers.packs_of),
            web.get(
                f"/images/{{image:{NAME}}}/{_number('older')}-{_number('newer')}.delta",
                handlers.delta,
            ),
            web.get("/packs/{pack_id:[0-9A-Za-z]+}.pack", handlers.pack),
            web.get("/health", handlers.health),
            web.get("/metrics", handlers.metrics),
        ]
    )
    if answers.administration is not None:
        application.add_routes(api_routes(answers.administration))
    return application


class HttpService:
    """One method for each route."""

    def __init__(self, answers: Answers, counters: Counters) -> None:
        self._answers = answers
        self._counters = counters
        self._metrics = Metrics(counters)
        self.deltas = DeltaMakers(answers)
        self.pieces = PackPieces(FOREVER)

    async def close(self, application: web.Application) -> None:
        """Called by aiohttp when everything was answered."""
        self.pieces.close()
        await self.deltas.close(application)

    async def boot_file(self, request: web.Request) -> web.StreamResponse:
        """Kernel, initramfs, script; open to everybody, and so without a secret in it."""
        name = request.match_info["name"]
        found = await asyncio.to_thread(self._answers.boot_file, name)
        if isinstance(found, bytes):
            return web.Response(body=found, content_type="text/plain")
        return _file(found, "boot file")

    async def order(self, request: web.Request) -> web.StreamResponse:
        """The install order of the node with that MAC."""
        mac = request.query.get("mac", "").lower()
        if not mac:
            return refused(Refusal(400, "the request names no MAC: /v1/order?mac=…"))
        answer = await asyncio.to_thread(self._answers.order, mac, request.remote or "")
        if isinstance(answer, Refusal):
            return refused(answer)
        return web.Response(body=answer, content_type=JSON)

    async def sync_order(self, request: web.Request) -> web.StreamResponse:
        """The newest generation for an installed node, with its identity."""
        answer = await asyncio.to_thread(self._answers.sync_order, bearer_token(request))
        if isinstance(answer, Refusal):
            return refused(answer)
        return web.Response(body=answer, content_type=JSON)

    async def event(self, request: web.Request) -> web.StreamResponse:
        """What a node has to tell; 204 when it is recorded."""
        body = await request.read()
        refusal = await asyncio.to_thread(self._answers.event, bearer_token(request), body)
        return web.Response(status=204) if refusal is None else refused(refusal)

    async def nodes(self, request: web.Request) -> web.StreamResponse:
        """Where all nodes stand, unless it is what the asker has already (RFC 9110, 304)."""
        told = await asyncio.to_thread(self._answers.nodes, bearer_token(request))
        if told is None:
            return refused(Refusal(401, "this needs the token of the other server of these nodes"))
        tag, body = told
        if request.headers.get("If-None-Match") == f'"{tag}"':
            return web.Response(status=304)
        headers = {"ETag": f'"{tag}"', "Cache-Control": REVALIDATED}
        return web.Response(body=body, content_type=JSON, headers=headers)

    async def images(self, request: web.Request) -> web.StreamResponse:
        """Which generations there are, of the images that the token opens."""
        if (reads := await self._reads(request)) is None:
            return refused(NO_TOKEN)
        found = await asyncio.to_thread(self._answers.images, reads)
        return web.Response(body=found, content_type=JSON, headers={"Cache-Control": REVALIDATED})

    async def manifest(self, request: web.Request) -> web.StreamResponse:
        """The signed manifest of a generation."""
        if refusal := await self._refusal(request):
            return refused(refusal)
        found = await asyncio.to_thread(self._answers.manifest, *_generation(request))
        return _file(found, "generation")

    async def packs_of(self, request: web.Request) -> web.StreamResponse:
        """Which packs a generation needs."""
        if refusal := await self._refusal(request):
            return refused(refusal)
        found = await asyncio.to_thread(self._answers.packs_of, *_generation(request))
        if found is None:
            return refused(NO_GENERATION)
        return web.Response(body=found, content_type=JSON)

    async def delta(self, request: web.Request) -> web.StreamResponse:
        """What one generation has and another lacks, or a range of it; made when first asked."""
        if refusal := await self._refusal(request):
            return refused(refusal)
        image, older, newer = (request.match_info[name] for name in ("image", "older", "newer"))
        response = await self.deltas.answer((image, int(older), int(newer)))
        response.headers["Cache-Control"] = REVALIDATED
        return response

    async def pack(self, request: web.Request) -> web.StreamResponse:
        """A pack or a range of it."""
        token, pack_id = bearer_token(request), request.match_info["pack_id"]
        if (piece := self.pieces.answer(request, token, pack_id)) is not None:
            return piece
        if (reads := await self._reads(request)) is None:
            return refused(NO_TOKEN)
        found = await asyncio.to_thread(self._answers.pack, reads, pack_id)
        if found is not None:
            self.pieces.may_read(token, pack_id, found)
        response = _file(found, "pack")
        response.headers["Cache-Control"] = FOREVER
        return response

    async def health(self, request: web.Request) -> web.StreamResponse:
        """Alive, and what was counted since the start."""
        counted = {"status": "ok", "counters": dict(self._counters.snapshot())}
        return web.Response(body=msgspec.json.encode(counted), content_type=JSON)

    async def metrics(self, request: web.Request) -> web.StreamResponse:
        """The counters and the process's memory, descriptors and processor time."""
        return web.Response(body=self._metrics.text(), headers={"Content-Type": CONTENT_TYPE})

    async def _refusal(self, request: web.Request) -> Refusal | None:
        """Why not: who asks has no token, or one of another image, which it is not told of."""
        reads = await self._reads(request)
        if reads is None:
            return NO_TOKEN
        return None if reads.covers(request.match_info["image"]) else NO_GENERATION

    async def _reads(self, request: web.Request) -> Reads | None:
        return await asyncio.to_thread(self._answers.reads, bearer_token(request))


def _file(path: Path | None, what: str) -> web.StreamResponse:
    if path is None:
        return refused(Refusal(404, f"there is no such {what}"))
    return SentFile(path)


def _number(name: str) -> str:
    return f"{{{name}:[0-9]{{1,{LONGEST_GENERATION}}}}}"


def _generation(request: web.Request) -> tuple[str, int]:
    return request.match_info["image"], int(request.match_info["generation"])


@web.middleware
async def _boundary(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Whatever goes wrong with one request is answered and logged, and stays with it."""
    try:
        return await handler(request)
    except (web.HTTPException, ConnectionError):
        raise
    except HaoscarError as error:
        log.error("http %s %s: %s", request.remote, request.path, error)
        return refused(Refusal(500, str(error)))
    except Exception:
        log.exception("http %s %s", request.remote, request.path)
        return refused(Refusal(500, "the server failed; its log says why"))
