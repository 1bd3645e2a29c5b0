"""Answers with fixed content, so that a server can be tested without registry and repository."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path

from haoscar_pxe.nodes.asking import (
    Asker,
    DhcpAnswer,
    DhcpDecision,
    FileAnswer,
    OrderAnswer,
    Reads,
    Refusal,
    Silence,
)
from haoscar_pxe.nodes.timeline import Happening
from haoscar_pxe.serve.answers import Administration

TOKEN = "letmein"
TWIN_TOKEN = "the other server"
PACK_ID = "ab12"


@dataclass
class FixedAnswers:
    """Answers from dictionaries, and remembers who asked."""

    addresses: dict[str, DhcpAnswer] = field(default_factory=dict)
    files: dict[str, FileAnswer] = field(default_factory=dict)
    boot: Mapping[str, FileAnswer] = field(default_factory=dict)
    stored: dict[str, Path] = field(default_factory=dict)
    askers: list[Asker] = field(default_factory=list)
    events: list[bytes] = field(default_factory=list)
    strangers: set[str] = field(default_factory=set)
    leases: list[tuple[str, str]] = field(default_factory=list)
    keep: Callable[[], None] = lambda: None
    happenings: list[tuple[str, Happening]] = field(default_factory=list)
    administration: Administration | None = None
    back: list[tuple[str, str, bool]] = field(default_factory=list)

    def dhcp(self, asker: Asker) -> DhcpDecision:
        self.askers.append(asker)
        return self.addresses.get(asker.mac, Silence("nobody knows it"))

    def leased(self, mac: str, address: IPv4Address) -> bool:
        self.leases.append((mac, str(address)))
        return mac in self.strangers

    def unkept_leases(self) -> Callable[[], None] | None:
        if not self.leases:
            return None
        self.leases = []
        return self.keep

    def given_back(self, mac: str, address: IPv4Address | None, *, is_in_use: bool) -> bool:
        self.back.append((mac, str(address), is_in_use))
        return mac not in self.addresses

    def happened(self, who: str, happening: Happening) -> None:
        self.happenings.append((who, happening))

    def tftp(self, name: str, peer_ip: str) -> FileAnswer | None:
        if name == "a bug":
            raise RuntimeError("a bug in the decision")
        return self.files.get(name)

    def boot_file(self, name: str) -> FileAnswer | None:
        return self.boot.get(name)

    def order(self, mac: str, peer_ip: str) -> OrderAnswer:
        if mac == "52:54:00:00:00:01":
            return b'{"node": "standby"}'
        return Refusal(404, f"no node has the MAC {mac}")

    def sync_order(self, token: str) -> OrderAnswer:
        return b'{"generation": 2}' if token == TOKEN else Refusal(401, "no node has that token")

    def reads(self, token: str) -> Reads | None:
        return Reads(frozenset(["primary"])) if token == TOKEN else None

    def images(self, reads: Reads) -> bytes:
        return b'{"primary": [1]}' if reads.covers("primary") else b"{}"

    def nodes(self, token: str) -> tuple[str, bytes] | None:
        return ("a-tag", b"{}") if token == TWIN_TOKEN else None

    def manifest(self, image: str, generation: int) -> Path | None:
        return self.stored.get(f"{image}/{generation}")

    def packs_of(self, image: str, generation: int) -> bytes | None:
        return b'["ab12"]' if f"{image}/{generation}" in self.stored else None

    def delta(self, image: str, older: int, newer: int) -> Path | Refusal | None:
        if f"{image}/{newer}" not in self.stored:
            return Refusal(404, "there is no such generation")
        return self.stored.get(f"{image}/{older}-{newer}")

    def make_delta(self, image: str, older: int, newer: int) -> Path | Refusal:
        return Refusal(404, "there is no delta")

    def pack(self, reads: Reads, pack_id: str) -> Path | None:
        return self.stored.get(pack_id)

    def event(self, token: str, body: bytes) -> Refusal | None:
        if token != TOKEN:
            return Refusal(401, "no order has that token")
        self.events.append(body)
        return None


def known(address: str, boot_filename: str = "lpxelinux.0") -> DhcpAnswer:
    """What a node that may have the address is told."""
    return DhcpAnswer(
        address=IPv4Interface(address), reason="it is known", boot_filename=boot_filename
    )
