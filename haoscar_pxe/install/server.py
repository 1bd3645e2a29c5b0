"""The node's side of HTTP: fetch the order, the manifest and the list of packs, send events.

A server that does not answer is waited for; one that answers and refuses is obeyed. Packs are not
fetched here: `image.http_store` does that, with the same patience.
"""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar
from urllib.parse import quote, urlsplit

import msgspec

from haoscar_pxe.errors import InstallError
from haoscar_pxe.image.manifest import MAX_MANIFEST_BYTES
from haoscar_pxe.nodes.order import InstallOrder
from haoscar_pxe.nodes.standby import SyncOrder

REQUEST_TIMEOUT_S: Final = 30.0
FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 15.0
MAX_ORDER_BYTES: Final = 64 << 20
"""An identity is small files; a megabyte would be many."""
MAX_BOOT_FILE_BYTES: Final = 512 << 20
MAX_REFUSAL_BYTES: Final = 4096
HTTP_1_0: Final = 10
"""http.client's word for it: there a content may end with its connection."""
RETRIED: Final = (408, 425, 429)
"""Refusals that are about the moment (RFC 9110, RFC 8470, RFC 6585); so is every 5xx."""

UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for bytes that are no JSON, no UTF-8 inside strings, or nested too deeply."""

T = TypeVar("T")


class Clock(Protocol):
    """Seconds since some start, and waiting; the module `time` is one."""

    def monotonic(self) -> float:
        """Seconds that never go back."""
        ...

    def sleep(self, seconds: float, /) -> None:
        """Wait."""
        ...


class ServerRefusedError(InstallError):
    """The server answered, and the answer is no. status: of HTTP; reason: the server's words."""

    def __init__(self, what: str, status: int, reason: str) -> None:
        super().__init__(
            f"the server refuses {what}: {reason or 'without a reason'} ({status})",
            hint="'haoscar-pxe node show' and 'boot explain' on the server say where it stands",
        )
        self.status = status
        self.reason = reason


class ServerGoneError(InstallError):
    """The server did not answer for as long as the order says to wait."""


class UnheardError(Exception):
    """One attempt that failed and is worth another; never leaves this room."""


class Named(Protocol):
    """A generation and who asks for it; an InstallOrder is one."""

    @property
    def image(self) -> str:
        """The image's name."""
        ...

    @property
    def generation(self) -> int:
        """Its number."""
        ...

    @property
    def token(self) -> str:
        """What opens the server."""
        ...

    @property
    def patience_s(self) -> int:
        """How long to wait for a server that went away."""
        ...


@dataclass(frozen=True, slots=True)
class Wanted:
    """A generation that a standby asks for, see Named."""

    image: str
    generation: int
    token: str
    patience_s: int


@dataclass(frozen=True, slots=True)
class Server:
    """The image server, as this node sees it.

    base_url: without a trailing slash. on_wait: told once, in words, when waiting begins.
    other_url: of the other server of the same nodes, "" for none. It is asked where the first does
    not answer; what it refuses is the first one's to say.
    """

    base_url: str
    on_wait: Callable[[str], None]
    clock: Clock = time
    other_url: str = ""

    def order(self, mac: str, patience_s: float) -> InstallOrder:
        """Fetch this machine's order.

        Raises ServerRefusedError (no order, with the reason), ServerGoneError, or InstallError
        when the answer is no order.
        """
        path = f"/v1/order?mac={quote(mac)}"
        body = self.patiently(lambda: self._get(path, "", MAX_ORDER_BYTES), patience_s)
        try:
            return msgspec.json.decode(body, type=InstallOrder)
        except UNREADABLE as error:
            raise InstallError(
                f"the server's install order cannot be read: {error}",
                hint="is the server's haoscar-pxe another version than its initramfs?",
            ) from error

    def sync_order(self, token: str, patience_s: float) -> SyncOrder:
        """What this standby is to become. Raises as `order`."""
        get = lambda: self._get("/v1/sync", token, MAX_ORDER_BYTES)  # noqa: E731
        body = self.patiently(get, patience_s)
        try:
            return msgspec.json.decode(body, type=SyncOrder)
        except UNREADABLE as error:
            raise InstallError(f"the server's sync order cannot be read: {error}") from error

    def boot_file(self, order: Named, name: str) -> bytes:
        """The kernel or initramfs that this machine was booted with. Raises as `order`."""
        path = f"/boot/{quote(order.image)}/{order.generation}/{name}"
        return self.patiently(lambda: self._get(path, "", MAX_BOOT_FILE_BYTES), order.patience_s)

    def manifest(self, order: Named) -> bytes:
        """The sealed manifest's bytes, unverified. Raises as `order`."""
        path = f"/images/{quote(order.image)}/{order.generation}.manifest"
        get = lambda: self._get(path, order.token, MAX_MANIFEST_BYTES)  # noqa: E731
        return self.patiently(get, order.patience_s)

    def pack_ids(self, order: Named) -> list[str]:
        """The packs that the generation needs. Raises as `order`."""
        path = f"/images/{quote(order.image)}/{order.generation}.packs"
        get = lambda: self._get(path, order.token, MAX_MANIFEST_BYTES)  # noqa: E731
        body = self.patiently(get, order.patience_s)
        try:
            return msgspec.json.decode(body, type=list[str])
        except UNREADABLE as error:
            raise InstallError(f"the server's list of packs cannot be read: {error}") from error

    def send_event(self, token: str, body: bytes) -> None:
        """Send one event, in one attempt. Raises UnheardError or ServerRefusedError."""
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._request("POST", "/v1/events", headers, body, MAX_REFUSAL_BYTES)

    def patiently(self, attempt: Callable[[], T], patience_s: float) -> T:
        """Repeat an attempt that the server does not hear, ever more slowly, for patience_s."""
        deadline = self.clock.monotonic() + patience_s
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                return attempt()
            except UnheardError as error:
                if self.clock.monotonic() + pause_s > deadline:
                    raise ServerGoneError(
                        f"{self.base_url} did not answer for {patience_s:g} s: {error}",
                        hint="look at 'haoscar-pxe serve' there, then switch this machine on again",
                    ) from error
                if pause_s == FIRST_PAUSE_S:
                    self.on_wait(f"waiting for {self.base_url}: {error}")
                self.clock.sleep(pause_s)
                pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    def _get(self, path: str, token: str, limit_bytes: int) -> bytes:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return self._request("GET", path, headers, b"", limit_bytes)

    def _request(
        self, method: str, path: str, headers: dict[str, str], body: bytes, limit_bytes: int
    ) -> bytes:
        try:
            return _request(self.base_url, method, path, headers, body, limit_bytes)
        except UnheardError:
            if not self.other_url:
                raise
            with suppress(UnheardError, ServerRefusedError):
                return _request(self.other_url, method, path, headers, body, limit_bytes)
            raise


def _request(
    base_url: str, method: str, path: str, headers: dict[str, str], body: bytes, limit_bytes: int
) -> bytes:
    parts = urlsplit(base_url)
    connection = http.client.HTTPConnection(
        parts.hostname or "", parts.port or 80, timeout=REQUEST_TIMEOUT_S
    )
    try:
        connection.request(method, parts.path + path, body or None, headers)
        with connection.getresponse() as response:
            content = response.read(limit_bytes + 1)
            is_whole = len(content) > limit_bytes or _is_whole(response)
    except (OSError, http.client.HTTPException) as error:
        raise UnheardError(str(error) or type(error).__name__) from error
    finally:
        connection.close()
    if not is_whole:
        raise UnheardError(f"the answer broke off after {len(content)} bytes")
    if len(content) > limit_bytes:
        raise InstallError(f"{path} on {base_url} has more than {limit_bytes} bytes")
    return _accepted(path, response.status, content)


def _is_whole(response: http.client.HTTPResponse) -> bool:
    """Whether all of it was read; `read` is silent about a connection that broke.

    Broken off amid its headers, an answer looks like one without a length; ours have one.
    """
    if response.length is None:  # what is left of Content-Length, 0 where there is no content
        return response.chunked or response.version == HTTP_1_0
    return response.length == 0


def _accepted(path: str, status: int, content: bytes) -> bytes:
    if 200 <= status < 300:
        return content
    reason = content[:MAX_REFUSAL_BYTES].decode("utf-8", "replace").strip()
    if status >= 500 or status in RETRIED:
        raise UnheardError(f"{status} {reason}")
    raise ServerRefusedError(path.partition("?")[0], status, reason)
