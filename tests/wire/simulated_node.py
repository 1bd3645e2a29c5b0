"""A machine that network-boots and is installed, without a disk or a firmware: what it says, alone.

    python -m tests.wire.simulated_node MAC

Before each step it writes the step's name and waits for a line on its standard input, so that a
test can do something to a server meanwhile. Where a server does not answer it does what firmware
does: it begins anew with DISCOVER, however often. The installer asks the other server that it was
told of.
Ends with "local disk" when it is sent there.
"""

from __future__ import annotations

import http.client
import json
import re
import socket
import sys
from urllib.parse import urlsplit

from haoscar_pxe.wire.dhcp_options import OptionCode
from haoscar_pxe.wire.dhcp_packet import MessageType, Op, Packet, decode, encode
from tests.wire.tftp_reader import read

ANSWER_S = 1.0
VENDOR = b"PXEClient:Arch:00000:UNDI:002001"


class GoneError(Exception):
    """A server did not answer."""


def wait_for(step: str) -> None:
    sys.stdout.write(step + "\n")
    sys.stdout.flush()
    sys.stdin.readline()


class Machine:
    """One card."""

    def __init__(self, mac: str) -> None:
        self._mac = mac
        self._chaddr = bytes.fromhex(mac.replace(":", ""))
        self._sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
        self._sock.bind(("", 68))
        self._sock.settimeout(ANSWER_S)
        self._xid = 0

    def boots(self) -> bool:
        """One boot; whether it ends at the local disk. Raises GoneError."""
        server = self._leases()
        wait_for(f"program {server}")
        self._fetched(server, "lpxelinux.0")
        wait_for(f"configuration {server}")
        name = f"pxelinux.cfg/01-{self._mac.replace(':', '-')}"
        text = self._fetched(server, name).decode()
        if "haoscar.server" not in text:
            return True
        self._installs(re.findall(r"haoscar\.(?:server|twin)=(\S+)", text))
        return False

    def _leases(self) -> str:
        """DISCOVER to ACK; the server whose offer came first."""
        self._xid += 1
        wait_for("DISCOVER -")
        offer = self._asked(MessageType.DISCOVER, MessageType.OFFER, {})
        server = offer.options[OptionCode.SERVER_IDENTIFIER]
        wait_for(f"REQUEST {socket.inet_ntoa(server)}")
        choice = {
            int(OptionCode.SERVER_IDENTIFIER): server,
            int(OptionCode.REQUESTED_ADDRESS): offer.yiaddr.packed,
        }
        given = self._asked(MessageType.REQUEST, MessageType.ACK, choice)
        assert given.yiaddr == offer.yiaddr
        return str(given.siaddr)

    def _asked(self, kind: MessageType, wanted: MessageType, said: dict[int, bytes]) -> Packet:
        options = {
            int(OptionCode.MESSAGE_TYPE): bytes([kind]),
            int(OptionCode.VENDOR_CLASS): VENDOR,
        }
        asked = Packet(
            Op.BOOTREQUEST, self._xid, self._chaddr, flags=0x8000, options=options | said
        )
        self._sock.sendto(encode(asked), ("255.255.255.255", 67))
        while True:
            try:
                packet = decode(self._sock.recv(4096))
            except TimeoutError as error:
                raise GoneError from error
            if packet.xid == self._xid and packet.message_type is wanted:
                return packet

    def _fetched(self, server: str, name: str) -> bytes:
        try:
            return read(server, name, ANSWER_S)
        except OSError as error:
            raise GoneError from error

    def _installs(self, servers: list[str]) -> None:
        wait_for(f"order {servers[0]}")
        order = json.loads(self._http(servers, "GET", f"/v1/order?mac={self._mac}"))
        token = str(order["token"])
        wait_for(f"manifest {servers[0]}")
        self._http(servers, "GET", f"/images/primary/{order['generation']}.manifest", token)
        for step in ("started", "installed"):
            wait_for(f"{step} {servers[0]}")
            event = json.dumps({"mac": self._mac, "step": step}).encode()
            self._http(servers, "POST", "/v1/events", token, event)

    def _http(
        self, servers: list[str], method: str, path: str, token: str = "", body: bytes = b""
    ) -> bytes:
        for server in servers:
            parts = urlsplit(server)
            connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=15)
            try:
                connection.request(method, path, body, {"Authorization": f"Bearer {token}"})
                response = connection.getresponse()
                content = response.read()
            except OSError:
                continue
            finally:
                connection.close()
            assert response.status < 300, (server, path, response.status, content)
            return content
        raise GoneError


def main(mac: str) -> None:
    """Boot until there is a local disk to boot from."""
    machine = Machine(mac)
    while True:
        try:
            if machine.boots():
                sys.stdout.write("local disk\n")
                return
        except GoneError:
            continue


if __name__ == "__main__":
    main(*sys.argv[1:])
