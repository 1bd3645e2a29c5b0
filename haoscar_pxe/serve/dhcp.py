"""DHCP on a socket: a datagram comes in, the decision is asked, at most one datagram goes out.

The conversation is `wire.dhcp_responder`; who gets what comes from Answers. Nothing that a
datagram holds gets further than `handle`.
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable
from dataclasses import replace
from enum import Enum
from ipaddress import IPv4Address
from typing import Final

from haoscar_pxe.errors import HaoscarError, WireError
from haoscar_pxe.nodes.asking import Asker, DhcpAnswer, DhcpMessage, Silence
from haoscar_pxe.nodes.timeline import Happening, Kind
from haoscar_pxe.serve.answers import Answers
from haoscar_pxe.serve.counters import Counters
from haoscar_pxe.serve.promises import Outgoing, Promises
from haoscar_pxe.wire.dhcp_options import (
    OptionCode,
    architecture,
    client_uuid,
    text,
    user_class,
)
from haoscar_pxe.wire.dhcp_packet import (
    CLIENT_PORT,
    NOBODY,
    MessageType,
    Op,
    Packet,
    decode,
    encode,
)
from haoscar_pxe.wire.dhcp_proxy import respond_as_proxy, respond_on_boot_port
from haoscar_pxe.wire.dhcp_responder import Answered, Offer, Reply, Response, Unanswered, respond

log = logging.getLogger(__name__)

LONGEST_DATAGRAM: Final = 4096
BATCH: Final = 64  # datagrams a wake-up, so that a storm does not keep TFTP and HTTP waiting
MOST_RIVALS: Final = 16  # other servers that are told; anybody may name any
IP_PKTINFO: Final = 8  # ip(7); not in Python's socket module before 3.12
ASKING: Final[dict[MessageType, DhcpMessage]] = {
    MessageType.DISCOVER: "DISCOVER",
    MessageType.REQUEST: "REQUEST",
    MessageType.INFORM: "INFORM",
}


class DhcpRole(Enum):
    """What a socket answers: addresses and boot files, or beside another server boot files only.

    The boot service is the proxy's second socket, on port 4011; what it says goes to where the
    question came from, for whoever asks there has an address.
    """

    SERVER = "dhcp"
    PROXY = "proxy"
    BOOT_SERVICE = "boot service"


_RESPOND: Final[dict[DhcpRole, Callable[[Packet, Offer], Response]]] = {
    DhcpRole.SERVER: respond,
    DhcpRole.PROXY: respond_as_proxy,
    DhcpRole.BOOT_SERVICE: respond_on_boot_port,
}


class DhcpService:
    """Owns the DHCP socket of one interface."""

    def __init__(
        self,
        sock: socket.socket,
        server_ip: IPv4Address,
        answers: Answers,
        counters: Counters,
        role: DhcpRole = DhcpRole.SERVER,
        twin: IPv4Address | None = None,
    ) -> None:
        """twin: the other server of the same nodes, whose offers are as good as ours."""
        self._role = role
        self._twin = twin
        self._rivals: set[IPv4Address] = set()
        self._sock = sock
        self._server_ip = server_ip
        self._answers = answers
        self._counters = counters
        self._promises = Promises(answers.unkept_leases, self._send, counters)

    def on_readable(self) -> None:
        """Answer what has come in; called by the loop whenever there is something.

        What promises a stranger's lease is sent once all of this batch are on the disk.
        """
        for _ in range(BATCH):
            try:
                datagram, peer = self._sock.recvfrom(LONGEST_DATAGRAM)
            except OSError:  # nothing more, or an ICMP error about an earlier reply
                break
            outgoing = self.handle(datagram, peer[0], peer[1])
            if outgoing is None:
                continue
            if outgoing.is_promise:
                self._promises.hold(outgoing)
            else:
                self._send(outgoing)
        self._promises.settle()

    def handle(
        self, datagram: bytes, peer_ip: str, peer_port: int = CLIENT_PORT
    ) -> Outgoing | None:
        """The reply to one datagram, None for none. Whatever the datagram is, it does not raise."""
        try:
            outgoing = self._answer(decode(datagram))
            if outgoing is None or self._role is not DhcpRole.BOOT_SERVICE:
                return outgoing
            return replace(outgoing, address=peer_ip, port=peer_port)
        except WireError as error:
            self._counters.count("dhcp malformed")
            log.debug("dhcp %s: not understood: %s", peer_ip, error)
        except HaoscarError as error:
            self._counters.count("dhcp failed")
            log.error("dhcp %s: cannot be answered: %s", peer_ip, error)
        except Exception:
            self._counters.count("dhcp failed")
            log.exception("dhcp %s: cannot be answered", peer_ip)
        return None

    def _answer(self, packet: Packet) -> Outgoing | None:
        if packet.op != Op.BOOTREQUEST or not packet.chaddr:
            raise WireError("a reply, or a request without a hardware address")
        self._look_for_rival(packet)
        asker = asker_of(packet)
        if asker is None:
            self._note_news(packet)
            return None
        decision = self._answers.dhcp(asker)
        if isinstance(decision, Silence):
            self._counters.count("dhcp unanswered")
            log.info("dhcp %s not answered: %s", _spoken(asker), decision.reason)
            return None
        return self._converse(packet, asker, decision)

    def _converse(self, packet: Packet, asker: Asker, answer: DhcpAnswer) -> Outgoing | None:
        response = _RESPOND[self._role](packet, offer_of(answer, self._server_ip))
        if isinstance(response, Unanswered):
            self._counters.count("dhcp unanswered")
            log.info("dhcp %s not answered: %s", _spoken(asker), response.reason)
            return None
        datagram = encode(response.packet)
        self._counters.count(f"dhcp {response.kind}")
        log.info(
            "dhcp %s -> %s %s %s: %s",
            _spoken(asker),
            response.kind,
            response.packet.yiaddr,
            answer.boot_filename or "(nothing to boot)",
            response.reason or answer.reason,
        )
        self._note(asker, response, answer)
        return Outgoing(
            datagram,
            str(response.address),
            response.port,
            is_promise=self._is_promise(packet, response),
        )

    def _note(self, asker: Asker, reply: Reply, answer: DhcpAnswer) -> None:
        """For the machine's timeline; a system that renews its lease does not boot."""
        if not asker.is_pxe:
            return
        given = f"{reply.kind} {reply.packet.yiaddr} {answer.boot_filename or 'nothing to boot'}"
        message = f"{asker.message} -> {given}" + (f": {reply.reason}" if reply.reason else "")
        kind: Kind = "iPXE asked" if asker.is_ipxe else "firmware asked"
        happening = Happening(at_ns=time.time_ns(), kind=kind, message=message)
        self._answers.happened(asker.mac, happening)

    def _is_promise(self, packet: Packet, response: Reply) -> bool:
        """Whether this gives a lease that must be on the disk first."""
        if self._role is not DhcpRole.SERVER or response.kind is not Answered.ACK:
            return False
        return self._answers.leased(packet.mac, response.packet.yiaddr)

    def _look_for_rival(self, packet: Packet) -> None:
        """A client that chooses an offer names whose; another's is told once for each server.

        Clients broadcast their choice just so that the other servers hear it (RFC 2131 section
        3.1). A proxy expects to hear another's.
        """
        chosen = packet.address_option(OptionCode.SERVER_IDENTIFIER)
        is_choice = packet.message_type is MessageType.REQUEST and self._role is DhcpRole.SERVER
        if not is_choice or chosen in (None, self._server_ip, self._twin):
            return
        self._counters.count("dhcp other server chosen")
        if chosen not in self._rivals and len(self._rivals) < MOST_RIVALS:
            self._rivals.add(chosen)
            log.warning(
                "dhcp: %s chose the offer of %s: another DHCP server answers on this segment, "
                "and boots are a lottery; 'haoscar-pxe doctor' shows what it offers",
                packet.mac,
                chosen,
            )

    def _note_news(self, packet: Packet) -> None:
        """DECLINE, RELEASE and other servers' business: nothing to answer, sometimes to tell."""
        self._counters.count("dhcp noted")
        chosen = packet.address_option(OptionCode.SERVER_IDENTIFIER)
        is_ours = self._role is DhcpRole.SERVER and chosen in (None, self._server_ip)
        match packet.message_type:
            case MessageType.DECLINE if is_ours:
                address = packet.address_option(OptionCode.REQUESTED_ADDRESS)
                self._answers.given_back(packet.mac, address, is_in_use=True)
                log.warning("dhcp %s: %s is in use by another machine", packet.mac, address)
            case MessageType.RELEASE if is_ours:
                if self._answers.given_back(packet.mac, packet.ciaddr, is_in_use=False):
                    log.info("dhcp %s gives %s back", packet.mac, packet.ciaddr)
            case _:
                log.debug("dhcp %s: %r needs no answer", packet.mac, packet.message_type)

    def _send(self, outgoing: Outgoing) -> None:
        """From our own address, whichever others the interface has (in_pktinfo of ip(7))."""
        source = bytes(4) + self._server_ip.packed + bytes(4)
        ancillary = [(socket.IPPROTO_IP, IP_PKTINFO, source)]
        try:
            target = (outgoing.address, outgoing.port)
            self._sock.sendmsg([outgoing.datagram], ancillary, 0, target)
        except OSError as error:
            self._counters.count("dhcp not sent")
            log.warning("dhcp: no reply to %s port %d: %s", outgoing.address, outgoing.port, error)


def asker_of(packet: Packet) -> Asker | None:
    """Who asks, and how; None if the packet is no question."""
    message: DhcpMessage | None = "BOOTP" if packet.is_bootp else None
    if packet.message_type is not None:
        message = ASKING.get(packet.message_type)
    if message is None:
        return None
    options = packet.options
    uses = packet.ciaddr if packet.ciaddr != NOBODY else None
    asked_class = user_class(options.get(OptionCode.USER_CLASS, b""))
    return Asker(
        mac=packet.mac,
        message=message,
        arch=architecture(options.get(OptionCode.CLIENT_ARCHITECTURE, b"")),
        vendor_class=text(options.get(OptionCode.VENDOR_CLASS, b"")),
        user_class=asked_class,
        client_uuid=client_uuid(options.get(OptionCode.CLIENT_UUID, b"")),
        giaddr=packet.giaddr if packet.giaddr != NOBODY else None,
        requested_ip=packet.address_option(OptionCode.REQUESTED_ADDRESS) or uses,
        is_ipxe=OptionCode.IPXE_ENCAPSULATED in options or asked_class == "iPXE",
    )


def offer_of(answer: DhcpAnswer, server_ip: IPv4Address) -> Offer:
    """The decision in the protocol's terms."""
    options: dict[int, bytes] = {}
    if answer.gateway is not None:
        options[OptionCode.ROUTER] = answer.gateway.packed
    if answer.dns:
        options[OptionCode.DOMAIN_NAME_SERVER] = b"".join(ip.packed for ip in answer.dns)
    if answer.hostname:
        options[OptionCode.HOST_NAME] = answer.hostname.encode()
    if answer.domain:
        options[OptionCode.DOMAIN_NAME] = answer.domain.encode()
    return Offer(
        server_id=server_ip,
        address=answer.address,
        lease_s=answer.lease_s,
        siaddr=answer.next_server or server_ip,
        boot_filename=answer.boot_filename.encode(),
        options=options | dict(answer.options),
    )


def _spoken(asker: Asker) -> str:
    """The asker for the log; what it said of itself may be anything, so it is quoted."""
    arch = "" if asker.arch is None else f", arch {asker.arch}"
    relayed = "" if asker.giaddr is None else f", by relay {asker.giaddr}"
    return f"{asker.mac} {asker.message} ({asker.vendor_class[:64]!r}{arch}{relayed})"
