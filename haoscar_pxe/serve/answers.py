"""The seam to the boot decision: what the boot server asks for every request; `boot` implements it.

`dhcp`, `leased`, `unkept_leases`, `given_back`, `tftp` and `happened` are called on the server's
one loop and must answer from memory (below a millisecond). The others may render, read the
repository or write the registry: each is called in a thread of its own, several at once.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address
from pathlib import Path
from typing import Protocol

from haoscar_pxe.nodes.asking import (
    Asker,
    DhcpDecision,
    FileAnswer,
    OrderAnswer,
    Reads,
    Refusal,
)
from haoscar_pxe.nodes.timeline import Happening


class Administration(Protocol):
    """What administrators are told, as JSON without secrets; any may raise HaoscarError."""

    def administrator(self, token: str) -> str | None:
        """Whose token this is, None if nobody's."""
        ...

    def nodes(self) -> bytes:
        """All nodes."""
        ...

    def node(self, name: str) -> bytes:
        """One node with its events and happenings. Raises NodeError if unknown."""
        ...

    def declare(self, name: str, body: bytes) -> bytes:
        """Make a node known, or change it; what it is now. Raises WireError, NodeError."""
        ...

    def arm(self, name: str, body: bytes) -> bytes:
        """Arm a node; what it is now. Raises WireError, NodeError."""
        ...

    def forget(self, name: str) -> bytes:
        """Forget a node; what it was. Raises NodeError."""
        ...

    def strangers(self) -> bytes:
        """Machines that ask and are no nodes."""
        ...

    def generations(self) -> bytes:
        """The numbers of the generations of each image."""
        ...


class Answers(Protocol):
    """Decides what every asker is given. A name or token from the network may be anything."""

    @property
    def administration(self) -> Administration | None:
        """What administrators are told; None: there is no API."""
        ...

    def dhcp(self, asker: Asker) -> DhcpDecision:
        """What to tell it, or Silence."""
        ...

    def leased(self, mac: str, address: IPv4Address) -> bool:
        """A client is about to be told that it has the address that `dhcp` gave for it.

        Whether it may be told only once that is on the disk; not so where the registry says it.
        """
        ...

    def unkept_leases(self) -> Callable[[], None] | None:
        """What puts all leases until now on the disk, called once and in another thread.

        It raises HaoscarError if it cannot. None: there is nothing to put there.
        """
        ...

    def given_back(self, mac: str, address: IPv4Address | None, *, is_in_use: bool) -> bool:
        """A DHCP client leaves its address; is_in_use: because another machine has it (DECLINE).

        Whether it had that address and was no known node, whose address stays its own.
        """
        ...

    def happened(self, who: str, happening: Happening) -> None:
        """The server answered the machine with this MAC, or with this IPv4 address."""
        ...

    def tftp(self, name: str, peer_ip: str) -> FileAnswer | None:
        """The file of that name (slashes at its start already taken off); None: there is none."""
        ...

    def boot_file(self, name: str) -> FileAnswer | None:
        """GET /boot/<name>, name being two or more parts joined by slashes, the last the file.

        Each part starts with a letter or digit and goes on with those, ".", "_" and "-".
        TFTP's names that start with "boot/" are the same, for loaders that have no HTTP.
        """
        ...

    def order(self, mac: str, peer_ip: str) -> OrderAnswer:
        """The install order of the node with that MAC, or why it gets none."""
        ...

    def sync_order(self, token: str) -> OrderAnswer:
        """A SyncOrder for the installed node with this token, or why it gets none."""
        ...

    def reads(self, token: str) -> Reads | None:
        """Whose manifests and packs "Authorization: Bearer <token>" opens; None: nobody's."""
        ...

    def images(self, reads: Reads) -> bytes:
        """JSON: the numbers of the generations of each image that may be read."""
        ...

    def nodes(self, token: str) -> tuple[str, bytes] | None:
        """All nodes as JSON, and a tag of it, for the other server of the same nodes; None: no."""
        ...

    def manifest(self, image: str, generation: int) -> Path | None:
        """The signed manifest's file."""
        ...

    def packs_of(self, image: str, generation: int) -> bytes | None:
        """A JSON list of the ids of all packs that the generation needs."""
        ...

    def delta(self, image: str, older: int, newer: int) -> Path | Refusal | None:
        """The file of the delta of two generations, or why there is none; None: can be made."""
        ...

    def make_delta(self, image: str, older: int, newer: int) -> Path | Refusal:
        """Make it, unless it was made just now; seconds or minutes. Called from one thread."""
        ...

    def pack(self, reads: Reads, pack_id: str) -> Path | None:
        """The pack's file, if an image that may be read needs it."""
        ...

    def event(self, token: str, body: bytes) -> Refusal | None:
        """Record a NodeEvent (JSON); None: recorded."""
        ...
