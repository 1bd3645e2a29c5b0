"""One look at a service: a systemd unit, a TCP port, a page, or a program's exit status.

Each ends within the check's own time. What does not answer in time is unknown; what refuses, or
answers wrongly, has failed.
"""

from __future__ import annotations

import http.client
import socket
import subprocess
from collections.abc import Sequence
from urllib.parse import urlsplit

from haoscar_pxe.config_failover import ServiceCheck
from haoscar_pxe.monitor.health import Result

WELL_BELOW = 400
"""HTTP statuses below this one are answers of a server that is well."""


def look(check: ServiceCheck) -> tuple[Result, str]:
    """The result, and what was seen, in words."""
    try:
        if check.tcp:
            return _tcp(check.tcp, check.timeout_s)
        if check.http:
            return _http(check.http, check.timeout_s)
        argv = ("systemctl", "is-active", "--quiet", check.unit) if check.unit else check.exec
        return _program(argv, check.timeout_s)
    except TimeoutError:
        return Result.UNKNOWN, f"no answer within {check.timeout_s:g} s"


def address_of(text: str) -> tuple[str, int]:
    """HOST:PORT. Raises ValueError.

    >>> address_of("10.77.0.100:80"), address_of("[fd00::1]:22")
    (('10.77.0.100', 80), ('fd00::1', 22))
    """
    parts = urlsplit(f"//{text}")
    if not parts.hostname or not parts.port:
        raise ValueError(f"'{text}' is not HOST:PORT")
    return parts.hostname, parts.port


def _tcp(text: str, timeout_s: float) -> tuple[Result, str]:
    try:
        socket.create_connection(address_of(text), timeout_s).close()
    except TimeoutError:
        raise
    except OSError as error:
        return Result.FAILED, f"{text}: {error.strerror or error}"
    return Result.WELL, "accepts connections"


def _http(url: str, timeout_s: float) -> tuple[Result, str]:
    parts = urlsplit(url)
    client = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=timeout_s)
    try:
        client.request("GET", parts.path or "/")
        status = client.getresponse().status
    except TimeoutError:
        raise
    except (OSError, http.client.HTTPException) as error:
        return Result.FAILED, f"{url}: {error or type(error).__name__}"
    finally:
        client.close()
    return (Result.WELL if status < WELL_BELOW else Result.FAILED), f"{url}: status {status}"


def _program(argv: Sequence[str], timeout_s: float) -> tuple[Result, str]:
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout_s, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise TimeoutError from error
    except OSError as error:
        return Result.UNKNOWN, f"{argv[0]}: {error.strerror}"
    words = done.stderr.decode("utf-8", "replace").strip().splitlines()
    said = f": {words[-1]}" if words else ""
    result = Result.FAILED if done.returncode else Result.WELL
    return result, f"{argv[0]}: exit status {done.returncode}{said}"
