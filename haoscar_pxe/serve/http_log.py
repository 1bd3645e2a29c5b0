"""What the log says about HTTP: one line a request, with the reason where it was refused."""

from __future__ import annotations

import logging
from typing import Final

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger

from haoscar_pxe.nodes.asking import Refusal
from haoscar_pxe.serve.counters import Counters

log = logging.getLogger(__name__)

FREQUENT: Final = "/packs/"  # thousands of ranges in one installation


def refused(refusal: Refusal) -> web.Response:
    """The refusal as one line of text."""
    return web.Response(status=refusal.status, text=f"{refusal.reason}\n")


class RequestLog(AbstractAccessLogger):
    """One line when a request is over, all of its bytes sent."""

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        """Called by aiohttp; time: seconds from the request's first byte."""
        frequent = request.path.startswith(FREQUENT) and response.status < 400
        log.log(
            logging.DEBUG if frequent else logging.INFO,
            "http %s %s %r -> %d %s%d bytes in %.2f s",
            request.remote,
            request.method,
            request.path_qs,
            response.status,
            _reason(response),
            response.body_length,
            time,
        )


def _reason(response: web.StreamResponse) -> str:
    if response.status < 400 or not isinstance(response, web.Response):
        return ""
    return f"({(response.text or '').strip()}) "


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
