"""Every parser that reads what another machine or disk wrote, with valid examples to damage."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import TypeAlias

import msgspec
import zstandard
from blake3 import blake3

from haoscar_pxe.capture.disks.layout_file import read_layout
from haoscar_pxe.image.canonical import encode
from haoscar_pxe.image.compression import Decompressor, Encoding
from haoscar_pxe.image.entry import (
    Device,
    Directory,
    Entry,
    Extent,
    Fifo,
    File,
    HardLink,
    Metadata,
    SealedFile,
    Symlink,
)
from haoscar_pxe.image.layout import Boot, Disk, DiskLayout, FileSystem, Partition, Swap
from haoscar_pxe.image.manifest import MAGIC, SIGNED_PREFIX, PageRef, Root, open_manifest, seal
from haoscar_pxe.image.pack import FOOTER, FOOTER_MAGIC, HEADER, Kind, decode_header, decode_tail
from haoscar_pxe.image.page import decode_page
from haoscar_pxe.image.tree import TreeChecker
from haoscar_pxe.install.server import Server
from haoscar_pxe.nodes.node import Interface
from haoscar_pxe.nodes.order import IdentityChange, InstallOrder
from tests.faults.forgery import META, ROOT, ForgedPack, root
from tests.faults.ground import KEY, TRUSTED

Parse: TypeAlias = Callable[[bytes], object]


@dataclass(frozen=True, slots=True)
class Parser:
    """examples: valid bytes. opened: what parses bytes, and whatever it needs meanwhile."""

    examples: tuple[bytes, ...]
    opened: Callable[[], AbstractContextManager[Parse]]


def parsers(folder: Path) -> dict[str, Parser]:
    """All of them by name. folder: for those that read files."""
    payload = encode(_manifest())
    order = msgspec.json.encode(_order())
    pack_ids = msgspec.json.encode(["ab" * 32, "cd" * 32])
    return {
        "manifest, as received": Parser((seal(_manifest(), KEY),), _plain(_open_received)),
        "manifest, signed by a trusted key": Parser((payload,), _plain(_open_signed)),
        "page": Parser((encode(_ENTRIES),), _plain(_page)),
        "pack header": Parser((_pack()[: HEADER.size],), _plain(lambda d: decode_header(d, "x"))),
        "pack index and footer": Parser((_tail(),), _plain(_decode_tail)),
        "pack index with a true hash": Parser((_tail()[: -FOOTER.size],), _plain(_index)),
        "compressed chunk": Parser((_frame(),), _plain(_chunk)),
        "layout file": Parser((msgspec.json.encode(_layout()),), _plain(_layout_in(folder))),
        "install order": Parser((order,), _asking(lambda s: s.order("52:54:00:00:00:01", 1))),
        "list of packs": Parser((pack_ids,), _asking(lambda s: s.pack_ids(_order()))),
    }


_ENTRIES: tuple[Entry, ...] = (
    ROOT,
    Directory(b"etc", Metadata(0o755, 0, 0, -1, ((b"user.a", b"b"),))),
    File(
        b"etc/hosts", META, 2**40, (Extent(4096, 7, bytes(range(32))), Extent(2**33, 9, bytes(32)))
    ),
    HardLink(b"etc/name", b"etc/hosts"),
    SealedFile(b"etc/shadow", META, 9, bytes(32), (Extent(0, 9, bytes(range(32))),)),
    Symlink(b"etc/tab", META, b"../usr"),
    Device(b"null", META, False, 1, 3),
    Fifo(b"pipe", META),
)


def _layout() -> DiskLayout:
    file_system = FileSystem(kind="ext4", uuid="1-2", mount_point="/", features=("64bit",))
    partitions = (
        Partition(
            number=1, start_bytes=1 << 20, size_bytes=1 << 30, type_code="83", content=file_system
        ),
        Partition(
            number=2,
            start_bytes=2 << 30,
            size_bytes=1 << 30,
            type_code="82",
            content=Swap(uuid="3"),
        ),
    )
    disk = Disk(
        device="sda", size_bytes=1 << 35, table="mbr", table_id="0x1", partitions=partitions
    )
    boot = Boot(firmware="bios", loader="grub", kernel_release="6.1")
    return DiskLayout(disks=(disk,), boot=boot)


def _manifest() -> Root:
    refs = [PageRef(b"", bytes(range(32)), 700), PageRef(b"usr/lib", bytes(32), 900)]
    return root(refs, layout=_layout(), unstable=(b"var/log",))


def _order() -> InstallOrder:
    change = IdentityChange(path=b"etc/hostname", content=b"standby\n", reason="its name")
    return InstallOrder(
        node="standby",
        image="primary",
        generation=1,
        manifest_id="ab" * 32,
        token="token",
        interfaces=(Interface(mac="52:54:00:00:00:01", address="10.77.0.20/24"),),
        identity=(change,),
        disk="/dev/vda",
        wipe="blank",
        patience_s=1,
    )


def _pack() -> bytes:
    pack = ForgedPack(Kind.DATA)
    for number in range(5):
        pack.add(b"chunk %d" % number)
    return pack.encode()


def _tail() -> bytes:
    return _pack()[HEADER.size + 5 * len(b"chunk 0") :]


def _frame() -> bytes:
    return zstandard.ZstdCompressor().compress(b"a line of text\n" * 300)


def _plain(parse: Parse) -> Callable[[], AbstractContextManager[Parse]]:
    return lambda: nullcontext(parse)


def _asking(
    ask: Callable[[Server], object],
) -> Callable[[], AbstractContextManager[Parse]]:
    return lambda: _served(ask)


def _open(data: bytes) -> object:
    return open_manifest(data, TRUSTED, "received")


def _open_received(data: bytes) -> object:
    """Nothing but what was signed may be taken for it."""
    opened = _open(data)
    assert data == seal(_manifest(), KEY)
    return opened


def _open_signed(payload: bytes) -> object:
    signature = KEY.sign(SIGNED_PREFIX + payload)
    return _open(MAGIC + KEY.public.key_id + signature + payload)


def _page(data: bytes) -> object:
    checker = TreeChecker()
    for entry in decode_page(data, "received"):
        checker.check(entry)
    return None


def _decode_tail(data: bytes) -> object:
    return decode_tail(data, "ab" * 32, HEADER.size + 5 * len(b"chunk 0") + len(data))


def _index(table: bytes) -> object:
    end = HEADER.size + 5 * len(b"chunk 0")
    footer = FOOTER.pack(end, len(table), blake3(table).digest(), FOOTER_MAGIC)
    return decode_tail(table + footer, "ab" * 32, end + len(table) + FOOTER.size)


def _chunk(stored: bytes) -> object:
    return Decompressor().restore(Encoding.ZSTD, stored, 4500)


def _layout_in(folder: Path) -> Parse:
    path = folder / "layout.json"

    def parse(data: bytes) -> object:
        path.write_bytes(data)
        return read_layout(path)

    return parse


@contextmanager
def _served(ask: Callable[[Server], object]) -> Iterator[Parse]:
    """A real server on loopback that answers every request with the damaged bytes."""
    answer = [b""]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer[0])))
            self.end_headers()
            self.wfile.write(answer[0])

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        client = Server(f"http://127.0.0.1:{server.server_address[1]}", lambda _: None)

        def parse(data: bytes) -> object:
            answer[0] = data
            return ask(client)

        try:
            yield parse
        finally:
            server.shutdown()
            thread.join()
