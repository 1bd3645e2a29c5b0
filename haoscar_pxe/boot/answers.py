"""What the boot server answers: the seam of `serve`, over registry, repository and site.

Addresses and decisions follow from the registry; nothing is remembered here but what can be made
again (opened generations, boot files) and the leases of strangers.

What a machine is sent before it has its order contains no secret. An order is given to whoever
asks with an armed node's MAC from that node's own address, for a time and so often as the
administrator said, for it holds what opens the image's secrets. Only its token opens manifests and
packs, those of its own image. It goes on doing that for the node that was installed with it, until
it is armed anew, and asks for what a sync needs, the opening keys of the generation among it.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path

import msgspec

from haoscar_pxe.addresses import ipv4_address, ipv4_interface
from haoscar_pxe.boot.addresses import Pool
from haoscar_pxe.boot.administration import SiteAdministration
from haoscar_pxe.boot.configurations import (
    GRUB_START,
    InstallFiles,
    Loader,
    asked_configuration,
    configuration,
    start_of_grub,
)
from haoscar_pxe.boot.decide import Boot, BootDecision, decide
from haoscar_pxe.boot.deltas import Deltas
from haoscar_pxe.boot.generations import Generations
from haoscar_pxe.boot.identity import Site
from haoscar_pxe.boot.notebook import Notebook
from haoscar_pxe.boot.order import for_generation, make_order, make_sync_order, owns_address
from haoscar_pxe.boot.programs import boot_program
from haoscar_pxe.boot.twin import Teller
from haoscar_pxe.config import InstallConfig, ServeConfig
from haoscar_pxe.errors import HaoscarError, NodeError, RepositoryError
from haoscar_pxe.image.store import is_pack_id
from haoscar_pxe.nodes.arming import has_order, why_not_armed, why_other_server
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
from haoscar_pxe.nodes.declare import canonical_mac, routed
from haoscar_pxe.nodes.leases import LeaseFile
from haoscar_pxe.nodes.mirrors import Mirrors
from haoscar_pxe.nodes.node import Interface, Node, NodeState
from haoscar_pxe.nodes.order import InstallOrder, NodeEvent, Step
from haoscar_pxe.nodes.registry import Registry
from haoscar_pxe.nodes.timeline import Happening

log = logging.getLogger(__name__)

ARMED_STATES = (NodeState.ARMED, NodeState.INSTALLING)
BOOT_FILES = ("vmlinuz", "initramfs")
_ENDS = {Step.INSTALLED: NodeState.INSTALLED, Step.FAILED: NodeState.FAILED}


@dataclass(frozen=True, slots=True)
class BootAnswers:
    """Decides what every asker is given (`serve.answers.Answers`).

    firmware: boot programs by name. prepare: the boot files "vmlinuz" and "initramfs" of a
    generation, made when they are not there yet. pool: None answers no stranger. leases: where the
    pool's are kept; None forgets them with the process. notebook: None notes nothing of
    who boots. mirrors: None lets nobody mirror. teller: None tells no other server of the nodes.
    twin_url: of that one, "" for none. administration: None has no API.
    """

    registry: Registry
    generations: Generations
    deltas: Deltas
    serve: ServeConfig
    install: InstallConfig
    site: Site
    firmware: dict[str, Path]
    prepare: Callable[[str, int], dict[str, Path]]
    pool: Pool | None
    leases: LeaseFile | None = None
    notebook: Notebook | None = None
    mirrors: Mirrors | None = None
    teller: Teller | None = None
    twin_url: str = ""
    administration: SiteAdministration | None = None
    now_ns: Callable[[], int] = time.time_ns

    def decision(self, mac: str) -> tuple[BootDecision, Node | None]:
        """What the machine with this MAC boots, and the node that it is."""
        node = self.registry.by_mac(mac)
        return decide(mac, node, self.generations.images(), self.now_ns()), node

    def dhcp(self, asker: Asker) -> DhcpDecision:
        """See Answers."""
        node = self.registry.by_mac(asker.mac)
        if node is not None:
            if why_not := why_other_server(node):
                return Silence(why_not)
            interfaces = routed(node, self.serve.gateway).interfaces
            interface = next(each for each in interfaces if each.mac == asker.mac)
            return self._known(node, interface, asker)
        if self.notebook is not None:
            self.notebook.sightings.asked(asker, self.now_ns())
        address = self._strangers_address(asker)
        if isinstance(address, Silence):
            return Silence(f"no node has the MAC {asker.mac}, and {address.reason}")
        of_pool = IPv4Interface((address, self.serve.ip.network.prefixlen))
        gateway = self.serve.gateway
        return self._answer(of_pool, gateway, "", asker, f"no node has the MAC {asker.mac}")

    def _strangers_address(self, asker: Asker) -> IPv4Address | Silence:
        """From the pool, for who asks for one and will give it up again.

        An INFORM asks for none (RFC 2131 section 4.3.5), a BOOTP client never gives one up.
        """
        if self.pool is None:
            return Silence("there is no pool")
        if asker.message == "BOOTP":
            return Silence("a BOOTP client would keep an address of the pool forever")
        if asker.message == "INFORM":
            own = asker.requested_ip
            is_here = own is not None and own in self.serve.ip.network
            return own if own and is_here else Silence(f"its address {own} is of another network")
        return self.pool.offer(asker.mac) or Silence("all addresses of the pool are in use")

    def leased(self, mac: str, address: IPv4Address) -> bool:
        """See Answers."""
        return self.pool is not None and self.pool.lease(mac, address)

    def unkept_leases(self) -> Callable[[], None] | None:
        """See Answers."""
        if self.pool is None or self.leases is None:
            return None
        changes = self.pool.unkept()
        return partial(self.leases.keep, changes) if changes else None

    def given_back(self, mac: str, address: IPv4Address | None, *, is_in_use: bool) -> bool:
        """See Answers."""
        if self.pool is None:
            return False
        return (self.pool.decline if is_in_use else self.pool.release)(mac, address)

    def _known(self, node: Node, interface: Interface, asker: Asker) -> DhcpAnswer:
        reason = f"{node.name} always has {interface.address}"
        address = ipv4_interface(interface.address)
        return self._answer(address, interface.gateway, node.name, asker, reason)

    def _answer(
        self, address: IPv4Interface, gateway: str, name: str, asker: Asker, reason: str
    ) -> DhcpAnswer:
        program = boot_program(asker, self.serve.url, is_proxy=self.serve.proxy_dhcp)
        boots = bool(program.filename)
        if not boots:
            reason += f"; {program.reason}"
        elif program.needs and program.needs not in self.firmware:
            boots = False
            reason += f"; its boot program {program.needs} is not on this server"
        return DhcpAnswer(
            address=address,
            reason=reason,
            gateway=ipv4_address(gateway) if gateway else None,
            dns=tuple(map(ipv4_address, self.serve.dns)),
            domain=self.serve.domain,
            hostname=name,
            next_server=self.serve.ip.ip if boots else None,
            boot_filename=program.filename if boots else "",
            lease_s=self.serve.lease_s,
        )

    def tftp(self, name: str, peer_ip: str) -> FileAnswer | None:
        """See Answers."""
        if asked := asked_configuration(name):
            return self.configuration(asked.loader, asked.mac).encode()
        if name == GRUB_START:
            return start_of_grub(self.site.templates).encode()
        return self.firmware.get(name)

    def configuration(self, loader: Loader, mac: str) -> str:
        """The configuration of this MAC in the loader's language, now."""
        decision, found = self.decision(mac)
        if self.notebook is not None:
            self._note_decision(loader, mac, decision, is_known=found is not None)
        node = routed(found, self.serve.gateway) if found else None
        install = self.install_files(node) if node and decision.boot is Boot.INSTALL else None
        return configuration(loader, decision, mac, node, install, self.site.templates)

    def _note_decision(
        self, loader: Loader, mac: str, decision: BootDecision, *, is_known: bool
    ) -> None:
        assert self.notebook is not None
        now_ns = self.now_ns()
        if is_known:
            message = f"{decision.boot}: {decision.reason}"
            decided = Happening(at_ns=now_ns, kind="decided", message=message)
            self.notebook.happened(mac, decided)
        else:
            self.notebook.sightings.fetched(mac, f"{loader} configuration", now_ns)

    def happened(self, who: str, happening: Happening) -> None:
        """See Answers."""
        if self.notebook is not None:
            self.notebook.happened(who, happening)

    def install_files(self, node: Node) -> InstallFiles:
        """Where the node's installer is to be had."""
        return InstallFiles(
            image=node.image,
            generation=self.generation_of(node),
            server_url=self.serve.url,
            shell_on_failure=self.install.shell_on_failure,
            twin_url=self.twin_url,
        )

    def generation_of(self, node: Node) -> int:
        """The generation that the node is to be installed from."""
        return node.generation or self.generations.newest(node.image)

    def boot_file(self, name: str) -> FileAnswer | None:
        """See Answers; name is "<image>/<generation>/<file>", a boot program's or a script's."""
        match name.split("/"):
            case [image, number, file] if number.isdecimal() and len(number) < 19:
                return self._of_generation(image, int(number), file)
            case ["firmware", program]:
                return self.firmware.get(program)
            case ["ipxe", _] if asked := asked_configuration(name):
                return self.configuration(asked.loader, asked.mac).encode()
            case _:
                return None

    def _of_generation(self, image: str, generation: int, file: str) -> Path | None:
        if file not in BOOT_FILES:
            return None
        try:
            known = generation in self.generations.listing.generations(image)
        except RepositoryError:
            return None
        return self.prepare(image, generation)[file] if known else None

    def order(self, mac: str, peer_ip: str) -> OrderAnswer:
        """See Answers; the node counts as installing from here on."""
        try:
            node = self.registry.by_mac(canonical_mac(mac))
        except NodeError as error:
            return Refusal(400, str(error))
        if node is None:
            return Refusal(404, f"no node has the MAC {mac}: 'haoscar-pxe node add' makes it known")
        if not owns_address(node, peer_ip):
            return Refusal(403, f"{peer_ip} is not the address of {node.name}")
        decision = decide(mac, node, self.generations.images(), self.now_ns())
        if decision.boot is not Boot.INSTALL:
            return Refusal(409, decision.reason)
        return self._give_order(node)

    def _give_order(self, node: Node) -> OrderAnswer:
        try:
            files = self.generations.open(node.image, self.generation_of(node))
            order = make_order(
                node,
                files.manifest,
                files,
                self.site,
                self.install,
                self.generations.keys.ring(node.image),
            )
        except HaoscarError as error:
            log.error("no order for %s: %s (%s)", node.name, error, error.hint)
            return Refusal(409, f"{error} ({error.hint})" if error.hint else str(error))
        try:
            self.registry.change(node.name, lambda old: self._ordered(old, order))
        except NodeError as error:
            return Refusal(409, str(error))
        return msgspec.json.encode(order)

    def _ordered(self, node: Node, order: InstallOrder) -> Node:
        """The node once this order was given: counted under the registry's lock.

        Raises NodeError if somebody else was given the last one, or the node was changed meanwhile.
        """
        if why_not := why_not_armed(node, self.now_ns()):
            raise NodeError(why_not)
        if node.order_token != order.token or node.state not in ARMED_STATES:
            raise NodeError(f"{node.name} was changed just now; ask again")
        arming = msgspec.structs.replace(node.arming, given=node.arming.given + 1)
        log.info("%s: order %d of %d given", node.name, arming.given, arming.orders)
        return msgspec.structs.replace(
            for_generation(node, order.generation), state=NodeState.INSTALLING, arming=arming
        )

    def reads(self, token: str) -> Reads | None:
        """See Answers; a node's token opens its own image alone, a mirror's opens all."""
        node = self.registry.by_token(token)
        if node is not None and (has_order(node) or node.state is NodeState.INSTALLED):
            return Reads(frozenset([node.image]))
        is_mirror = self.mirrors is not None and bool(token) and self.mirrors.knows(token)
        return Reads(None) if is_mirror else None

    def images(self, reads: Reads) -> bytes:
        """See Answers."""
        listing = self.generations.listing
        covered = sorted(filter(reads.covers, self.generations.images()))
        return json.dumps({image: listing.generations(image) for image in covered}).encode()

    def nodes(self, token: str) -> tuple[str, bytes] | None:
        """See Answers."""
        if self.teller is None or self.mirrors is None or not self.mirrors.is_twin(token):
            return None
        told = self.teller.tell()
        return told.tag, told.body

    def sync_order(self, token: str) -> OrderAnswer:
        """See Answers."""
        node = self.registry.by_token(token)
        if node is None:
            return Refusal(401, "no node has this token; it was armed anew, or is unknown")
        if node.state is not NodeState.INSTALLED:
            return Refusal(409, f"{node.name} is {node.state}, not installed")
        try:
            files = self.generations.open(node.image, self.generation_of(node))
            ring = self.generations.keys.ring(node.image)
            order = make_sync_order(node, files.manifest, files, self.site, self.install, ring)
        except HaoscarError as error:
            log.error("no sync for %s: %s (%s)", node.name, error, error.hint)
            return Refusal(409, f"{error} ({error.hint})" if error.hint else str(error))
        return msgspec.json.encode(order)

    def manifest(self, image: str, generation: int) -> Path | None:
        """See Answers."""
        try:
            path = self.generations.repository.manifest_path(image, generation)
        except RepositoryError:
            return None
        return path if path.is_file() else None

    def packs_of(self, image: str, generation: int) -> bytes | None:
        """See Answers."""
        if self.manifest(image, generation) is None:
            return None
        return json.dumps(self.generations.packs_of(image, generation)).encode()

    def delta(self, image: str, older: int, newer: int) -> Path | Refusal | None:
        """See Answers."""
        return self.deltas.find(image, older, newer)

    def make_delta(self, image: str, older: int, newer: int) -> Path | Refusal:
        """See Answers."""
        return self.deltas.make(image, older, newer)

    def pack(self, reads: Reads, pack_id: str) -> Path | None:
        """See Answers."""
        if not is_pack_id(pack_id):
            return None
        packs, images = self.generations.packs, reads.images
        if images is not None and not any(packs.has_image(image, pack_id) for image in images):
            return None
        path = self.generations.repository.store.pack_path(pack_id)
        return path if path.is_file() else None

    def event(self, token: str, body: bytes) -> Refusal | None:
        """See Answers."""
        node = self.registry.by_token(token)
        if node is None:
            return Refusal(401, "no order with this token is open")
        try:
            event = msgspec.json.decode(body, type=NodeEvent)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return Refusal(400, f"not an event: {error}")
        log.info("%s: %s %s", node.name, event.step, event.message)
        self.registry.record(node.name, event, self.now_ns())
        if event.step is Step.SYNCED and event.generation and node.state is NodeState.INSTALLED:
            synced = event.generation
            self.registry.change(node.name, lambda old: for_generation(old, synced))
        if (state := _ENDS.get(event.step)) and has_order(node):
            self.registry.change(node.name, lambda old: msgspec.structs.replace(old, state=state))
            if self.teller is not None:
                self.teller.wait_until_known()
        return None
