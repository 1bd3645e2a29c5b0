"""What the log says about HTTP: one line a request, with the reason where it was refused."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Final

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger, AbstractStreamWriter

from haoscar_pxe.nodes.asking import Refusal
from haoscar_pxe.nodes.timeline import Happening, Kind
from haoscar_pxe.serve.answers import Answers
from haoscar_pxe.serve.counters import Counters

log = logging.getLogger(__name__)

ANSWERS: Final = web.AppKey("answers", Answers)
OF_A_BOOT: Final = ("/boot/", "/v1/order")
LONGEST_PATH: Final = 128
FREQUENT: Final = "/packs/"  # thousands of ranges in one installation


def refused(refusal: Refusal) -> web.Response:
    """The refusal as one line of text."""
    return web.Response(status=refusal.status, text=f"{refusal.reason}\n")


class SentFile(web.FileResponse):
    """A file by sendfile that knows whether its client took all of it."""

    is_broken_off = False

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Called by aiohttp: send the headers and the file."""
        try:
            return await super().prepare(request)
        except (ConnectionError, asyncio.CancelledError):
            self.is_broken_off = True
            raise
        except TimeoutError as error:  # nothing was taken for too long
            self.is_broken_off = True
            raise ConnectionAbortedError from error


class RequestLog(AbstractAccessLogger):
    """One line when a request is over, all of its bytes sent."""

    def log(self, request: web.BaseRequest, response: web.StreamResponse, took_s: float) -> None:
        """Called by aiohttp; took_s: seconds from the request's first byte."""
        frequent = request.path.startswith(FREQUENT) and response.status < 400
        if frequent and not log.isEnabledFor(logging.DEBUG):
            return
        log.log(
            logging.DEBUG if frequent else logging.INFO,
            "http %s %s %r -> %d %s%d bytes in %.2f s",
            request.remote,
            request.method,
            request.path_qs,
            response.status,
            _reason(response),
            _sent_bytes(response),
            took_s,
        )
        if request.path.startswith(OF_A_BOOT) and isinstance(request, web.Request):
            _note(request, response, took_s)


def _note(request: web.Request, response: web.StreamResponse, took_s: float) -> None:
    """For the machine's timeline."""
    is_good = response.status < 400
    is_gone = isinstance(response, SentFile) and response.is_broken_off
    kind: Kind = "refused" if not is_good else "broke off" if is_gone else "fetched"
    message = f"{request.method} {request.path[:LONGEST_PATH]!r} {_reason(response)}".rstrip()
    happening = Happening(
        at_ns=time.time_ns(),
        kind=kind,
        message=message,
        size_bytes=_sent_bytes(response) if kind == "fetched" else None,
        took_s=took_s if kind == "fetched" else 0.0,
    )
    request.app[ANSWERS].happened(request.remote or "", happening)


def _sent_bytes(response: web.StreamResponse) -> int:
    """What sendfile sends, aiohttp does not count: it says the headers' length for a file's."""
    if isinstance(response, web.FileResponse) and response.content_length is not None:
        return response.content_length
    return response.body_length


def _reason(response: web.StreamResponse) -> str:
    if response.status < 400 or not isinstance(response, web.Response):
        return ""
    text = (response.text or "").strip()  # what was asked for may stand in it, line breaks and all
    return f"({''.join(each if each.isprintable() else repr(each)[1:-1] for each in text)}) "


class ProtocolLog(logging.Filter):
    """Counts requests that are no HTTP, and says them at debug level without a traceback."""

    def __init__(self, counters: Counters) -> None:
        super().__init__()
        self._counters = counters

    def filter(self, record: logging.LogRecord) -> bool:
        """Take the record over; False keeps it from every handler."""
        self._counters.count("http malformed")
        error = record.exc_info[1] if record.exc_info else None
        log.debug("http %s: %r", record.getMessage(), error)
        return False


def protocol_logger(counters: Counters) -> logging.Logger:
    """The logger that aiohttp's parser is given. It is of this server alone, in no hierarchy."""
    logger = logging.Logger(f"{__name__}.protocol")
    logger.addFilter(ProtocolLog(counters))
    return logger
