"""Captures another machine over ssh: its agent reads, hashes and compresses, this side stores.

Steps: bring the agent bundle there, lock the image, start the agent, take in what it sends, sign
and commit. Only chunks that the repository lacks travel. Until the commit no generation is visible.
What came is put into the repository every few seconds and when the connection breaks, so the next
attempt, here or by another command, need not have it sent again.
"""

from __future__ import annotations

import os
import shlex
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from subprocess import Popen, TimeoutExpired
from typing import BinaryIO, Final

from msgspec import structs

from haoscar_pxe.capture.capture import BY_CONFIGURATION, CaptureOptions
from haoscar_pxe.capture.files.taking import Taken
from haoscar_pxe.capture.hooks import Hooks
from haoscar_pxe.capture.remote.channel import Channel, CutOffError
from haoscar_pxe.capture.remote.course import PAUSES_S, Course, CutShortError, persevere
from haoscar_pxe.capture.remote.delivery import PLACE, AgentBundle, Delivered, deliver
from haoscar_pxe.capture.remote.messages import FromHead, Request
from haoscar_pxe.capture.remote.receiver import PageOf, Receiver
from haoscar_pxe.capture.remote.ssh import SSH_FAILED, Ssh
from haoscar_pxe.capture.report import CaptureReport, report_of
from haoscar_pxe.command import Run, converse, last_words, run
from haoscar_pxe.errors import HaoscarError, IntegrityError, WireError
from haoscar_pxe.image.entry import Entry
from haoscar_pxe.image.manifest import Manifest
from haoscar_pxe.image.progress import Progress
from haoscar_pxe.image.reader import ChunkReader
from haoscar_pxe.image.repository import Repository
from haoscar_pxe.image.signing import SigningKey, TrustedKeys
from haoscar_pxe.image.writer import GenerationWriter

ENDS_WITHIN_S: Final = 30.0
"""How long ssh may take to end when all was said."""
KEEP_EVERY_S: Final = 15.0
"""So much of what came is lost at most when this process is killed. A fast line fills whole packs
meanwhile, a slow one makes small packs; one fsync in this time costs neither of them anything."""


@dataclass(frozen=True, slots=True)
class Head:
    """The machine to be captured. place: the folder on it for agent bundles."""

    ssh: Ssh
    place: str = PLACE


def capture_remote(
    options: CaptureOptions,
    head: Head,
    bundle: AgentBundle,
    repository: Repository,
    signer: SigningKey,
    progress: Progress,
    run: Run = run,
    pauses_s: Sequence[float] = PAUSES_S,
) -> CaptureReport:
    """Capture the head and commit; after a cut, try again while that gets further.

    A head with hooks is asked once: those of the agent that was cut off may still have to run, and
    would undo what the hooks of the next one do.
    Raises SshError (not reached or let in, or the connection broke), CaptureError (the head
    cannot be captured, in its agent's words), BusyError, StorageError; WireError and
    IntegrityError when the agent breaks the rules of `remote_messages.py`.
    """
    course = Course(progress)
    began = time.monotonic()

    def attempt() -> CaptureReport:
        delivered = deliver(bundle, head.ssh, run, head.place)
        taken, manifest = _capture(options, delivered, bundle, repository, signer, course)
        return report_of(taken, manifest, time.monotonic() - began, course.received_bytes)

    return persevere(attempt, course, () if options.hooks != Hooks() else pauses_s)


def _capture(
    options: CaptureOptions,
    delivered: Delivered,
    bundle: AgentBundle,
    repository: Repository,
    signer: SigningKey,
    course: Course,
) -> tuple[Taken, Manifest]:
    """One attempt. What came before a cut stays in the repository."""
    created_ns = time.time_ns()
    with repository.writer(options.image) as writer:
        # Under the writer's lock: nobody prunes what is found here to be known.
        believed = options.trusted or TrustedKeys.of(signer.public)
        page_of = _pages_of_parent(repository, options.image, believed)
        receiver = Receiver(writer, page_of, options.sealing.key, course)
        with _agent(delivered, bundle) as channel:
            try:
                channel.send(_request(options, delivered))
                taken = _receive(channel, receiver, writer)
            except CutOffError:
                _take_rest(channel, receiver)
                course.kept_bytes += writer.keep()
                raise
            finally:
                course.received_bytes += channel.received_bytes
        # Which generation is the newest is a matter of this machine's clock.
        record = structs.replace(taken.record, created_ns=created_ns)
        return taken, writer.commit(record, signer)


def _request(options: CaptureOptions, delivered: Delivered) -> Request:
    never = dict.fromkeys(options.excluded, BY_CONFIGURATION)
    never[os.fsencode(delivered.place)] = "the capture agent's own folder"
    return Request(
        root=os.fsencode(options.root),
        image=options.image,
        never=tuple(never.items()),
        sealing_key=options.sealing.key.raw,
        rules=options.sealing.rules,
        layout=options.layout,
        live=options.live,
        hooks=options.hooks,
        wish=options.wish,
    )


def _pages_of_parent(repository: Repository, image: str, trusted: TrustedKeys) -> PageOf:
    """Reads pages of the image's newest generation; none if there is none of ours."""
    if image not in repository.images():
        return lambda chunk_id: None
    try:
        parent = repository.manifest(image, None, trusted)
    except IntegrityError:  # damaged, or of a key that nobody believes: only more is sent
        return lambda chunk_id: None
    refs = {ref.chunk_id: ref for ref in parent.pages}
    chunks = ChunkReader(repository.store)

    def page_of(chunk_id: bytes) -> tuple[Entry, ...] | None:
        ref = refs.get(chunk_id)
        try:
            return chunks.page(ref) if ref else None
        except IntegrityError:
            return None

    return page_of


def agent_command(bundle: AgentBundle, folder: str) -> str:
    """The script that starts the agent of a bundle that lies in folder."""
    loader, lib = f"{folder}/{bundle.loader}", f"{folder}/lib"
    python = [loader, "--library-path", lib, f"{folder}/bin/python3"]
    return "exec " + shlex.join([*python, "-I", "-S", "-m", "haoscar_pxe.capture", folder])


@contextmanager
def _agent(delivered: Delivered, bundle: AgentBundle) -> Iterator[Channel[FromHead]]:
    """A connection to a running agent. What goes wrong in the block is told with its last words."""
    ssh = delivered.ssh
    argv = ssh.argv(agent_command(bundle, delivered.folder))
    with tempfile.TemporaryFile() as errors, converse(argv, errors) as process:
        assert process.stdin is not None  # they are pipes
        assert process.stdout is not None
        channel: Channel[FromHead] = Channel(
            process.stdout.fileno(), process.stdin.fileno(), FromHead
        )
        try:
            channel.await_greeting()
            yield channel
        except CutOffError as error:
            raise _cut_off(error, ssh, process, errors) from error
        except (WireError, IntegrityError) as error:
            raise WireError(
                f"the agent on {ssh.host} broke the rules, no generation was made: {error}"
            ) from error
        finally:
            _end(process)


def _receive(channel: Channel[FromHead], receiver: Receiver, writer: GenerationWriter) -> Taken:
    kept = time.monotonic()
    while receiver.taken is None:
        answer = receiver.receive(channel.receive())
        if answer is not None:
            channel.send(answer)
        if time.monotonic() - kept >= KEEP_EVERY_S:
            writer.keep()
            kept = time.monotonic()
    return receiver.taken


def _take_rest(channel: Channel[FromHead], receiver: Receiver) -> None:
    """What had arrived when sending failed; nobody is there to be answered any more."""
    with suppress(CutOffError):
        while receiver.taken is None:
            receiver.receive(channel.receive())


def _cut_off(error: CutOffError, ssh: Ssh, process: Popen[bytes], errors: BinaryIO) -> HaoscarError:
    """Why the connection ended: ssh's reasons, or the agent's last words."""
    _end(process)
    errors.seek(0)
    words = last_words(errors.read())
    if process.returncode == SSH_FAILED:
        return ssh.failed(words)
    return CutShortError(
        f"the capture of {ssh.host} ended in the middle, no generation was made: {error}\n{words}",
        hint="look at the head (memory, its log), and run it again: what came need not come twice",
    )


def _end(process: Popen[bytes]) -> None:
    """Let go of both pipes, so that ssh and the agent end by themselves; kill ssh if it does not.

    The agent then runs its after-hooks: a killed ssh looks to it like a broken connection.
    """
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(OSError):
                pipe.close()
    try:
        process.wait(ENDS_WITHIN_S)
    except TimeoutExpired:
        process.kill()
