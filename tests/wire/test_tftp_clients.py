"""Other people's TFTP clients against our server."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from haoscar_pxe.errors import CommandError
from tests.needed import need
from tests.wire.conftest import BootServer

pytestmark = pytest.mark.wire

CLIENTS = 100
ALL_DONE_S = 120.0


def argv(client: str, server: str, name: str, target: Path) -> list[str]:
    """The command that fetches a file with each of the clients."""
    url = f"tftp://{server}/{name}"
    return {
        "curl": ["curl", "--silent", "--show-error", "--output", str(target), url],
        "curl 1428": ["curl", "-sS", "--tftp-blksize", "1428", "-o", str(target), url],
        "tftp-hpa": ["tftp", "-m", "binary", server, "-c", "get", name, str(target)],
        "atftp": ["atftp", "-g", "-r", name, "-l", str(target), server],
        "atftp window": [
            *("atftp", "--option", "windowsize 16", "--option", "blksize 1428"),
            *("-g", "-r", name, "-l", str(target), server),
        ],
        "busybox": ["busybox", "tftp", "-g", "-b", "1428", "-r", name, "-l", str(target), server],
    }[client]


ALL = ("curl", "curl 1428", "tftp-hpa", "atftp", "atftp window", "busybox")


def fetch(server: BootServer, client: str, name: str, target: Path) -> bytes:
    command = argv(client, server.ip, name, target)
    need(command[0])
    server.link.client.run(*command, timeout_s=ALL_DONE_S)
    return target.read_bytes()


@pytest.mark.parametrize("client", ALL)
def test_a_file_of_more_than_65535_blocks_arrives_whole(
    boot_server: BootServer, tmp_path: Path, client: str
) -> None:
    assert (
        fetch(boot_server, client, "big", tmp_path / "got")
        == (boot_server.folder / "big").read_bytes()
    )


@pytest.mark.parametrize("client", ALL)
def test_a_file_arrives_whole_although_datagrams_are_lost(
    boot_server: BootServer, tmp_path: Path, client: str
) -> None:
    need("nft")
    boot_server.link.lose(per_cent=2)
    assert (
        fetch(boot_server, client, "small", tmp_path / "got")
        == (boot_server.folder / "small").read_bytes()
    )


def test_netascii_of_tftp_hpa_gives_the_text_back(boot_server: BootServer, tmp_path: Path) -> None:
    need("tftp")
    command = ["tftp", boot_server.ip, "-c", "get", "text", str(tmp_path / "got")]
    boot_server.link.client.run(*command)
    assert (tmp_path / "got").read_bytes() == (boot_server.folder / "text").read_bytes()


def test_a_missing_file_is_refused_at_once(boot_server: BootServer, tmp_path: Path) -> None:
    """curl(1): 68, file not found on TFTP server."""
    with pytest.raises(CommandError, match="exit status 68"):
        fetch(boot_server, "curl", "revocations_sbat.efi", tmp_path / "got")


def test_uploads_are_refused(boot_server: BootServer, tmp_path: Path) -> None:
    need("curl")
    (tmp_path / "mine").write_bytes(b"mine")
    url = f"tftp://{boot_server.ip}/uploaded"
    with pytest.raises(CommandError):
        boot_server.link.client.run("curl", "-sS", "-T", str(tmp_path / "mine"), url)
    assert not (boot_server.folder / "uploaded").exists()


@pytest.mark.parametrize("client", ["curl 1428", "atftp window"])
def test_a_hundred_clients_at_once_all_get_their_file(
    boot_server: BootServer, tmp_path: Path, client: str
) -> None:
    """Started by one shell in the namespace, so that they really come together."""
    command = argv(client, boot_server.ip, "small", tmp_path / "got-NUMBER")
    need(command[0])
    quoted = " ".join(f"'{word}'" for word in command).replace("NUMBER'", "'$i")
    script = f"for i in $(seq {CLIENTS}); do {quoted} & done; wait"
    boot_server.link.client.run("sh", "-c", script, timeout_s=ALL_DONE_S)
    wanted = (boot_server.folder / "small").read_bytes()
    got = [(tmp_path / f"got-{number}").read_bytes() for number in range(1, CLIENTS + 1)]
    assert all(each == wanted for each in got)


def test_a_big_file_to_a_client_with_a_window_is_really_sent_in_windows(
    boot_server: BootServer, tmp_path: Path
) -> None:
    """23,810 blocks need 1,489 ACKs in windows of 16; the kernel counts what comes in."""
    fetch(boot_server, "atftp window", "big", tmp_path / "got")
    counted = boot_server.link.server.run("cat", "/proc/net/snmp").text
    names, values = re.findall(r"^Udp: (.*)$", counted, re.MULTILINE)
    counters = dict(zip(names.split(), map(int, values.split()), strict=True))
    assert counters["InDatagrams"] < 3_000


def test_what_the_server_says_of_a_transfer_is_in_its_log(
    boot_server: BootServer, tmp_path: Path
) -> None:
    fetch(boot_server, "curl", "small", tmp_path / "got")
    assert re.search(r"tftp 10\.77\.0\.20 got 'small': 90000 bytes in", boot_server.log.read_text())


def test_curl_hears_over_http_that_the_server_is_well(boot_server: BootServer) -> None:
    need("curl")
    url = f"http://{boot_server.ip}:8069/health"
    assert '"status":"ok"' in boot_server.link.client.run("curl", "-sS", url).text
