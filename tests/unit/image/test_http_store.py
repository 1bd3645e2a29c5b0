"""Packs over HTTP from a server that fails, goes away and comes back."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from blake3 import blake3

from haoscar_pxe.errors import StorageError
from haoscar_pxe.image.http_ranges import LONGEST_PAUSE_S
from haoscar_pxe.image.http_store import HttpStore
from haoscar_pxe.image.progress import Silence
from haoscar_pxe.image.reader import ChunkReader, entries
from haoscar_pxe.image.repository import Repository
from haoscar_pxe.image.restore import restore
from haoscar_pxe.image.store import FolderStore, StoreUnreachableError
from tests.unit.image.range_server import TOKEN, FakeClock, Faults, serving
from tests.unit.image.tree_reading import store_tree

PACK = blake3(b"content").digest(3_000_000)
PACK_ID = blake3(PACK).hexdigest()
OTHER_ID = "00" * 32


@pytest.fixture
def folder(tmp_path: Path) -> FolderStore:
    store = FolderStore(tmp_path)
    store.pack_path(PACK_ID).parent.mkdir()
    store.pack_path(PACK_ID).write_bytes(PACK)
    return store


@contextmanager
def fetching(folder: FolderStore, faults: Faults) -> Iterator[tuple[HttpStore, list[str]]]:
    """A store over a server with these faults, and the reasons it waited for."""
    reasons: list[str] = []
    clock = FakeClock()
    with serving(folder, faults) as url:
        store = HttpStore(
            url, TOKEN, on_wait=reasons.append, now_s=clock.now_s, pause=clock.pause, patience_s=60
        )
        yield store, reasons
        store.close()


@contextmanager
def answering(*answers: bytes) -> Iterator[str]:
    """A server that gives one connection after the other exactly these bytes; its base URL."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            for answer in answers:
                connection, _ = server.accept()
                with connection:
                    connection.recv(10_000)
                    connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        thread.join()


def test_ranges_come_back_exactly_on_one_connection(folder: FolderStore) -> None:
    faults = Faults()
    with fetching(folder, faults) as (store, reasons):
        assert store.size(PACK_ID) == len(PACK)
        assert store.read(PACK_ID, 0, len(PACK)) == PACK
        assert store.read(PACK_ID, 1000, 1) == PACK[1000:1001]
        assert store.read(PACK_ID, 5, 0) == b""
    assert (faults.connections, reasons) == (1, [])


@pytest.mark.parametrize("broken_after", [0, 1, 300_000, 2_999_999])
def test_a_broken_transfer_goes_on_from_where_it_was(
    folder: FolderStore, broken_after: int
) -> None:
    faults = Faults(planned=[-broken_after - 1])
    with fetching(folder, faults) as (store, reasons):
        assert store.read(PACK_ID, 0, len(PACK)) == PACK
    again = faults.ranges[1][0]
    assert broken_after - (256 << 10) < again <= broken_after
    assert len(reasons) == 1


def test_an_answer_broken_off_anywhere_in_its_headers_is_asked_for_again() -> None:
    """Python's http.client takes what arrived of the headers for all of them."""
    headers = b"Content-Range: bytes 7-9/1234\r\nContent-Length: 3\r\n"
    whole = b"HTTP/1.1 206 Partial Content\r\n" + headers + b"\r\nabc"
    for end in range(whole.index(b"abc") + 1):
        with answering(whole[:end], whole) as url:
            store = HttpStore(url, TOKEN, pause=lambda _: None)
            assert store.read(PACK_ID, 7, 3) == b"abc", whole[:end]
            store.close()


def test_a_server_that_is_overwhelmed_is_asked_again(folder: FolderStore) -> None:
    with fetching(folder, Faults(planned=[503, 500, 429])) as (store, reasons):
        assert store.read(PACK_ID, 10, 10) == PACK[10:20]
    assert [("503" in reasons[0]), ("500" in reasons[1]), ("429" in reasons[2])] == [True] * 3


def test_a_server_that_goes_away_and_comes_back_is_waited_for(folder: FolderStore) -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
    clock, reasons = FakeClock(), list[str]()
    with ExitStack() as stack:

        def come_back() -> None:
            if len(reasons) == 5:
                stack.enter_context(serving(folder, Faults(), port))

        clock.during_pause = come_back
        store = HttpStore(
            f"http://127.0.0.1:{port}/base",
            TOKEN,
            on_wait=reasons.append,
            now_s=clock.now_s,
            pause=clock.pause,
        )
        assert store.read(PACK_ID, 0, 5000) == PACK[:5000]
        store.close()
    assert len(reasons) == 5
    assert "Connection refused" in reasons[0]


def test_patience_ends_with_how_long_it_lasted(folder: FolderStore) -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
    clock = FakeClock()
    store = HttpStore(
        f"http://127.0.0.1:{port}", TOKEN, patience_s=100, now_s=clock.now_s, pause=clock.pause
    )
    with pytest.raises(StoreUnreachableError, match="nothing received for 100 s"):
        store.read(PACK_ID, 0, 1)
    assert 100 <= clock.now < 100 + LONGEST_PAUSE_S


def test_a_transfer_that_never_gets_further_ends_too(folder: FolderStore) -> None:
    with (
        fetching(folder, Faults(planned=[-1] * 1000)) as (store, _),
        pytest.raises(StoreUnreachableError),
    ):
        store.read(PACK_ID, 0, 100)


def test_a_connection_closed_while_idle_is_no_reason_to_wait(folder: FolderStore) -> None:
    faults = Faults(planned=[0, -1])
    with fetching(folder, faults) as (store, reasons):
        store.read(PACK_ID, 0, 10)
        assert store.read(PACK_ID, 10, 10) == PACK[10:20]
    assert reasons == []


def test_an_unknown_pack_is_not_waited_for(folder: FolderStore) -> None:
    with (
        fetching(folder, Faults()) as (store, reasons),
        pytest.raises(StorageError, match="no such pack"),
    ):
        store.read(OTHER_ID, 0, 1)
    assert reasons == []


def test_a_token_that_opens_nothing_is_said_at_once(folder: FolderStore) -> None:
    with serving(folder, Faults()) as url:
        store = HttpStore(url, "another token")
        with pytest.raises(StoreUnreachableError, match="403"):
            ChunkReader(store, [PACK_ID])
        store.close()


def test_a_name_that_is_no_pack_is_never_asked_for(folder: FolderStore) -> None:
    faults = Faults()
    with fetching(folder, faults) as (store, _):
        for name in ("../../etc/passwd", "", "AB" * 32):
            with pytest.raises(StorageError, match="not the id of a pack"):
                store.size(name)
    assert faults.connections == 0


@pytest.mark.parametrize("address", ["ftp://host/", "host", "http://", "http://h:port"])
def test_an_address_that_is_no_server_is_named(address: str) -> None:
    with pytest.raises(StorageError, match="not the address"):
        HttpStore(address, TOKEN)


def test_a_tree_is_restored_over_a_bad_connection(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for number in range(20):
        (source / str(number)).write_bytes(blake3(b"%d" % number).digest(400_000))
    repository = Repository.create(tmp_path / "repository")
    manifest = store_tree(repository, source)
    faults = Faults(planned=[0, 500, -200_000, 0, -1, 0, -3_000_000, 0, 503])
    with fetching(repository.store, faults) as (store, _):
        chunks = ChunkReader(store, repository.store.pack_ids())
        restore(entries(manifest, chunks), chunks, tmp_path / "target", Silence())
    for file in source.iterdir():
        assert (tmp_path / "target" / file.name).read_bytes() == file.read_bytes()


def test_a_read_goes_on_at_the_other_server_when_the_first_one_dies(folder: FolderStore) -> None:
    clock, faults = FakeClock(), Faults()
    with serving(folder, faults) as other, answering(PARTIAL) as first:
        store = HttpStore(first, TOKEN, other_url=other, now_s=clock.now_s, pause=clock.pause)
        assert store.read(PACK_ID, 0, len(PACK)) == PACK
        assert faults.ranges[0][0] == 3
        store.close()


PARTIAL = (
    b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-2999999/3000000\r\n"
    b"Content-Length: 3000000\r\n\r\n" + PACK[:3]
)


def test_that_the_other_server_lacks_a_pack_ends_nothing(
    folder: FolderStore, tmp_path: Path
) -> None:
    clock = FakeClock()
    (tmp_path / "empty").mkdir()
    empty = FolderStore(tmp_path / "empty")
    with serving(empty, Faults()) as other, serving(folder, Faults(planned=[503, 503])) as first:
        store = HttpStore(first, TOKEN, other_url=other, now_s=clock.now_s, pause=clock.pause)
        assert store.read(PACK_ID, 0, 10) == PACK[:10]
        store.close()
