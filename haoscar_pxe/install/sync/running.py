"""A sync of the running standby, step by step: finish, ask, compare, plan; then carry out.

It decides nothing: `plan.py` does. Before the commit it can be left at any time.
"""

from __future__ import annotations

import fcntl
import os
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from haoscar_pxe.command import Run
from haoscar_pxe.errors import BusyError, HaoscarError, IntegrityError
from haoscar_pxe.image.http_store import HttpStore
from haoscar_pxe.image.layout import DiskLayout
from haoscar_pxe.image.manifest import Manifest, manifest_id, open_manifest
from haoscar_pxe.image.progress import Watched
from haoscar_pxe.image.signing import TrustedKeys
from haoscar_pxe.image.source import HttpSource
from haoscar_pxe.install.opening import opening_keys
from haoscar_pxe.install.server import Server, ServerRefusedError, UnheardError, Wanted
from haoscar_pxe.install.sync import journal as journals
from haoscar_pxe.install.sync.barrier import settle
from haoscar_pxe.install.sync.carry_out import Standby, finish
from haoscar_pxe.install.sync.fetching import Fetching
from haoscar_pxe.install.sync.finisher_ready import make_ready, why_not_ready
from haoscar_pxe.install.sync.kept_pages import keep, read_kept
from haoscar_pxe.install.sync.plan import Had, SyncPlan
from haoscar_pxe.install.sync.planning import Before, Committed, commit, make_plan
from haoscar_pxe.install.sync.record import (
    LOCK,
    StandbyRecord,
    hold,
    own_folder,
    own_manifest,
    read_record,
    record_files,
    trusted_keys,
)
from haoscar_pxe.install.sync.restarts import reboot_reason, services_to_restart
from haoscar_pxe.install.sync.view import open_view
from haoscar_pxe.install.sync.wanted import Declared, Goal
from haoscar_pxe.nodes.order import NodeEvent, Step
from haoscar_pxe.nodes.standby import OWN_PATHS, SyncOrder

T = TypeVar("T")
CLOCK_GRAIN_NS: Final = 1_000_000_000
"""ctimes come from a clock that ticks more coarsely than time.time_ns(); one second is plenty."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """All that is known before a decision. began_ns: when the tree was begun to be read."""

    order: SyncOrder
    sealed: bytes
    goal: Goal
    before: Before
    plan: SyncPlan
    began_ns: int


@dataclass(frozen=True, slots=True)
class Done:
    """What a sync did. vanished: paths that something removed meanwhile."""

    committed: Committed
    vanished: tuple[bytes, ...]
    restart: tuple[str, ...]
    reboot: str


class RunningStandby:
    """The standby that this process runs on. Use `open_standby`."""

    def __init__(self, standby: Standby, server: Server, watched: Watched) -> None:
        self.standby = standby
        self.server = server
        self._watched = watched

    @property
    def record(self) -> StandbyRecord:
        """As it is now."""
        return read_record(self.standby.root)

    def unfinished(self) -> journals.Journal | None:
        """What was committed and is not finished yet."""
        return journals.read(self.standby.boot_folder)

    def finish(self, committed: journals.Journal) -> tuple[bytes, ...]:
        """Finish it. Raises StorageError."""
        with self._watched("finishing") as progress:
            return tuple(finish(committed, self.standby, progress))

    @contextmanager
    def prepared(self, patience_s: int, *, reads_all: bool = False) -> Iterator[Prepared]:
        """Ask the server, and plan. reads_all: hash every file, whatever its times say.

        Raises ServerGoneError, ServerRefusedError, PlanRefusedError, IntegrityError, StorageError.
        """
        record, root = self.record, self.standby.root
        order = self.server.sync_order(record.token, patience_s)
        trusted = trusted_keys(root)
        sealed, manifest = self._manifest(order, record, trusted, patience_s)
        old = _if_readable(lambda: own_manifest(root, trusted))
        with ExitStack() as opened:
            fetching = self._fetching(opened, order, manifest, old, record, patience_s)
            goal = Goal(manifest, fetching, Declared.of(order.identity))
            had = None
            if old is not None and _if_readable(lambda: _read_pages(fetching, old)):
                had = Goal(old, fetching, Declared.of(record.identity))
            before = Before(
                had=_had(record, old.layout if old else None),
                goal=had,
                since_ns=-1 if reads_all else record.since_ns,
                kept=_kept(order),
                hold=hold(root) or why_not_ready(self.standby, order.identity),
            )
            began_ns = time.time_ns() - CLOCK_GRAIN_NS
            plan = make_plan(goal, before, self.standby, self._watched)
            yield Prepared(order, sealed, goal, before, plan, began_ns)

    def carry_out(self, prepared: Prepared, on_commit: Callable[[], None]) -> Done:
        """Stage, commit, say so, and finish. Raises StorageError, IntegrityError."""
        manifest = prepared.goal.manifest
        record = msgspec.structs.replace(
            self.record,
            generation=manifest.generation,
            manifest_id=manifest.id,
            created_ns=manifest.created_ns,
            since_ns=prepared.began_ns,
            identity=prepared.order.identity,
        )
        own = record_files(record, prepared.sealed)
        make_ready(self.standby, prepared.order.identity)
        committed = commit(
            prepared.plan, prepared.goal, prepared.before, own, self.standby, self._watched
        )
        on_commit()
        vanished = self.finish(committed.journal)
        with suppress(HaoscarError):  # only a cache
            keep(own_folder(self.standby.root), manifest, prepared.goal.source)
        changed = [each.path for each in prepared.plan.changes]
        release = platform.release()
        return Done(
            committed=committed,
            vanished=vanished,
            restart=tuple(services_to_restart()),
            reboot=reboot_reason(manifest, changed, release),
        )

    def tell(self, step: Step, message: str, generation: int | None = None) -> bool:
        """Tell the server once; whether it heard."""
        record = self.record
        event = NodeEvent(mac=record.mac, step=step, message=message, generation=generation)
        try:
            self.server.send_event(record.token, msgspec.json.encode(event))
        except (UnheardError, ServerRefusedError):
            return False
        return True

    def _manifest(
        self, order: SyncOrder, record: StandbyRecord, trusted: TrustedKeys, patience_s: int
    ) -> tuple[bytes, Manifest]:
        name = f"{order.image} generation {order.generation}"
        wanted = Wanted(order.image, order.generation, record.token, patience_s)
        sealed = self.server.manifest(wanted)
        if manifest_id(sealed) != order.manifest_id:
            raise IntegrityError(
                f"the manifest of {name} is {manifest_id(sealed)[:12]}, the server's word was "
                f"{order.manifest_id[:12]}",
                hint="something between the server and this machine changed it; try again",
            )
        return sealed, open_manifest(sealed, trusted, name)

    def _fetching(
        self,
        opened: ExitStack,
        order: SyncOrder,
        newer: Manifest,
        older: Manifest | None,
        record: StandbyRecord,
        patience_s: int,
    ) -> Fetching:
        store = HttpStore(
            self.server.base_url,
            record.token,
            patience_s=patience_s,
            on_wait=self.server.on_wait,
        )
        opened.enter_context(closing(store))
        return Fetching(
            HttpSource(store),
            newer,
            older,
            opening=opening_keys(order.opening_keys, newer),
            kept=read_kept(own_folder(self.standby.root)),
        )


@contextmanager
def open_standby(
    run: Run, watched: Watched, on_wait: Callable[[str], None]
) -> Iterator[RunningStandby]:
    """This machine as a standby, alone: no other sync runs meanwhile.

    Raises NoRecordError, BusyError, InstallError.
    """
    record = read_record(Path("/"))
    with _alone(own_folder(Path("/")) / LOCK):
        root = open_view(record.mounted, run)
        standby = Standby(root, record.mounted, root / record.boot_folder, settle)
        yield RunningStandby(standby, Server(record.server, on_wait), watched)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BusyError(
                "this standby is being synced already", hint="wait until that has ended"
            ) from error
        yield
    finally:
        os.close(fd)


def _kept(order: SyncOrder) -> frozenset[bytes]:
    site = [os.fsencode(path).strip(b"/") for path in order.keep]
    return frozenset(own.path for own in OWN_PATHS) | frozenset(filter(None, site))


def _had(record: StandbyRecord, layout: DiskLayout | None) -> Had:
    return Had(record.image, record.generation, layout, record.uses_heads_core)


def _read_pages(fetching: Fetching, manifest: Manifest) -> bool:
    """Read all pages, kept or fetched. Raises RepositoryError where one is not to be had."""
    for ref in manifest.pages:
        fetching.chunk(ref.chunk_id)
    return True


def _if_readable(read: Callable[[], T]) -> T | None:
    """What makes a sync cheaper; without it all files are read."""
    try:
        return read()
    except HaoscarError:
        return None
