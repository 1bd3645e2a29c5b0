"""An event as a mail, for the site's own sendmail program.

The program takes the recipients from the letter (`sendmail -t`); sender and route are the site's.
Only what a person should know of at once is mailed: alerts, and that a head became active.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from email.message import EmailMessage
from typing import Final

from haoscar_pxe.monitor.event import Event

SENDMAIL: Final = ("sendmail", "-t", "-oi")
"""Every mail server brings it (Postfix, Exim, msmtp, ...); -oi: a line with a dot ends nothing."""


def is_mailed(event: Event) -> bool:
    """Whether it is worth a mail."""
    return event.level == "alert" or event.what == "active"


def letter(event: Event, to: Sequence[str], host: str) -> bytes:
    """The mail, with its headers. host: on which machine it happened."""
    made = EmailMessage()
    made["To"] = ", ".join(to)
    made["Subject"] = _one_line(f"[haoscar-pxe] {event.member} {host}: {event.what}")
    made["Auto-Submitted"] = "auto-generated"  # RFC 3834: no vacation program answers
    when = time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(event.at_ns / 1e9))
    epoch = f" (epoch {event.epoch})" if event.epoch else ""
    typed = "'haoscar-pxe failover status' says how everything stands."
    made.set_content(f"{when}\n{event.what}: {event.reason}{epoch}\n\n{typed}\n")
    return bytes(made)


def _one_line(text: str) -> str:
    """What is in a header stays in it, whatever a program said."""
    return " ".join(text.split())
