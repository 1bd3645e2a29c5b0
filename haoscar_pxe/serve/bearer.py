"""The token that a request carries (RFC 6750 section 2.1)."""

from __future__ import annotations

from aiohttp import web


def bearer_token(request: web.Request) -> str:
    """The bearer token, "" if there is none."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
