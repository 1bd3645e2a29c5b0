"""Telling systemd how the service stands (sd_notify(3)): one datagram to $NOTIFY_SOCKET."""

from __future__ import annotations

import logging
import socket
from collections.abc import Mapping

log = logging.getLogger(__name__)


def notify(state: str, environment: Mapping[str, str]) -> bool:
    """Send "READY=1", "STOPPING=1" or the like; False where nobody listens for it.

    A socket name that starts with "@" is in the abstract namespace. A send that fails is logged:
    the service works all the same.
    """
    path = environment.get("NOTIFY_SOCKET", "")
    if not path.startswith(("/", "@")):
        return False
    name = "\0" + path[1:] if path.startswith("@") else path
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            channel.sendto(state.encode(), name)
    except OSError as error:
        log.warning("systemd was not told %s by way of %s: %s", state, path, error)
        return False
    return True
