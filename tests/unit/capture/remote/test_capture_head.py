"""A capture over ssh: a real agent in a real bundle, only the network between is left out."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from haoscar_pxe.boot.bundle import build_bundle
from haoscar_pxe.capture.capture import CaptureOptions, capture
from haoscar_pxe.capture.hooks import Hooks
from haoscar_pxe.capture.remote import capture_head
from haoscar_pxe.capture.remote.capture_head import Head, capture_remote
from haoscar_pxe.capture.remote.delivery import AgentBundle
from haoscar_pxe.capture.remote.ssh import Ssh, SshError
from haoscar_pxe.capture.report import CaptureReport
from haoscar_pxe.errors import CaptureError, WireError
from haoscar_pxe.image.compare import compare
from haoscar_pxe.image.progress import Silence
from haoscar_pxe.image.reader import ChunkReader, entries
from haoscar_pxe.image.repository import Repository
from haoscar_pxe.image.signing import SigningKey
from tests.unit.capture.disks.test_boot_facts import add_kernel
from tests.unit.capture.layouts import root_and_boot
from tests.unit.capture.local_ssh import local_ssh
from tests.unit.capture.sealing import SEALING
from tests.unit.image import awkward

KEY = SigningKey(bytes(range(32)))
AGENT_ONLY = 'case "$command" in *haoscar_pxe.capture*) {lines};; esac'
"""For the connection that runs the agent, not for those that bring it."""
CUT_AFTER_2_MB = """\
mkfifo '{fifo}'; exec 3<&0
sh -c "$command" <&3 >'{fifo}' 3<&- &
exec 3<&- </dev/null
dd bs=65536 count=30 <'{fifo}' 2>/dev/null
exit 0"""
"""A broken connection: both directions end at once, and the agent lives on."""
CUT_AT_FIRST = """\
cut=$(head -n 1 '{cuts}'); sed -i 1d '{cuts}'
if [ -n "$cut" ]; then
    fifo='{cuts}'-$$; mkfifo "$fifo"; exec 3<&0
    sh -c "$command" <&3 >"$fifo" 2>/dev/null 3<&- &
    exec 3<&- </dev/null
    stdbuf -o0 head -c "$cut" <"$fifo"
    exit 255
fi"""
"""Each connection is cut after so many bytes as its line of the file says, then none is."""

PAUSE_AFTER = """\
mkfifo '{fifo}'; exec 3<&0
sh -c "$command" <&3 >'{fifo}' 2>/dev/null 3<&- &
exec 3<&- <'{fifo}'
stdbuf -o0 head -c {size}
touch '{received}'
for _ in $(seq 200); do [ "$(ps -o ppid= $$)" -eq $PPID ] || exit 255; sleep 0.05; done
exit 255"""
"""A line that stands still after so many bytes, until the process that called ssh is gone."""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> AgentBundle:
    made = build_bundle(tmp_path_factory.mktemp("cache"))
    return AgentBundle(made.id, made.folder)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Where all tests of this module keep the bundle on the head."""
    return str(tmp_path_factory.mktemp("head") / "agents")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository.create(tmp_path / "repository")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    root.mkdir()
    awkward.build(root)
    add_kernel(root, "6.1.0-50-amd64")
    (root / "data").write_bytes(os.urandom(6 << 20))
    return root


@pytest.fixture
def taking(repository: Repository, bundle: AgentBundle, place: str, tmp_path: Path) -> Taking:
    return Taking(repository, bundle, place, tmp_path)


class Taking:
    """Captures a tree of the head `primary`."""

    def __init__(
        self, repository: Repository, bundle: AgentBundle, place: str, folder: Path
    ) -> None:
        self._repository = repository
        self._bundle = bundle
        self._place = place
        self._folder = folder

    def __call__(
        self,
        tree: Path,
        *,
        lines: str = "",
        hooks: Hooks | None = None,
        layout: Path | None = None,
        pauses_s: Sequence[float] = (),
    ) -> CaptureReport:
        """lines: of the stand-in for ssh, run instead of the agent where they exit."""
        before = AGENT_ONLY.format(lines=lines) if lines else ""
        options = CaptureOptions(
            root=tree, image="primary", sealing=SEALING, hooks=hooks or Hooks(), layout_file=layout
        )
        head = Head(local_ssh(self._folder, before), self._place)
        return capture_remote(
            options, head, self._bundle, self._repository, KEY, Silence(), pauses_s=pauses_s
        )


def nothing_is_left(repository: Repository) -> bool:
    return repository.images() == [] and list((repository.path / "tmp").iterdir()) == []


def test_what_is_captured_over_ssh_is_what_is_captured_here(
    taking: Taking, repository: Repository, tree: Path
) -> None:
    far = taking(tree)
    near = capture(
        CaptureOptions(root=tree, image="near", sealing=SEALING), repository, KEY, Silence()
    )
    assert far.manifest.pages == near.manifest.pages
    assert far.manifest.entry_count > 20
    assert (far.manifest.host_name, far.manifest.consistency) == ("", "tree")
    assert far.warnings == near.warnings
    chunks = ChunkReader(repository.store)
    assert compare(entries(far.manifest, chunks), tree, Silence()) == []


def test_only_what_the_repository_lacks_travels(taking: Taking, tree: Path) -> None:
    first = taking(tree)
    assert first.received_bytes > 6 << 20
    second = taking(tree)
    assert second.manifest.generation == 2
    assert second.received_bytes < 20_000
    (tree / "new").write_bytes(b"x" * 100_000)
    third = taking(tree)
    assert third.received_bytes < 40_000
    assert third.manifest.entry_count == second.manifest.entry_count + 1


def test_compressible_content_travels_compressed(taking: Taking, tmp_path: Path) -> None:
    tree = tmp_path / "text"
    tree.mkdir()
    for number in range(100):
        (tree / f"log-{number}").write_bytes(b"%d: all is well\n" % number * 50_000)
    assert taking(tree).received_bytes < 1 << 20


def test_the_layout_of_the_users_own_file_goes_along(taking: Taking, tree: Path) -> None:
    file = tree.parent / "layout.json"
    file.write_bytes(root_and_boot())
    layout = taking(tree, layout=file).manifest.layout
    assert not layout.is_default
    assert layout.boot.kernel_release == "6.1.0-50-amd64"


def test_hooks_run_on_the_head_and_their_output_hurts_nobody(taking: Taking, tree: Path) -> None:
    dump, done = tree / "dump.sql", tree.parent / "done"
    hooks = Hooks((("cp", "-v", "/etc/hostname", str(dump)), ("cat",)), (("mkdir", str(done)),))
    report = taking(tree, hooks=hooks)
    assert done.is_dir()
    assert report.manifest.entry_count > 20
    assert dump.exists()


def test_a_failing_hook_stops_the_capture_and_after_hooks_run(
    taking: Taking, repository: Repository, tree: Path
) -> None:
    hooks = Hooks((("ls", "/no/such/database"),), (("mkdir", str(tree.parent / "done")),))
    with pytest.raises(CaptureError, match="the before-hook 'ls /no/such/database' failed"):
        taking(tree, hooks=hooks)
    assert (tree.parent / "done").is_dir()
    assert nothing_is_left(repository)


def test_what_the_head_cannot_read_is_told_in_its_words(
    taking: Taking, repository: Repository, tmp_path: Path
) -> None:
    with pytest.raises(CaptureError, match="cannot be captured: No such file") as caught:
        taking(tmp_path / "no-such-tree")
    assert "--root" in caught.value.hint
    assert nothing_is_left(repository)


def test_a_connection_that_is_cut_leaves_nothing_and_after_hooks_run(
    taking: Taking, repository: Repository, tree: Path
) -> None:
    done = tree.parent / "done"
    hooks = Hooks((), (("mkdir", str(done)),))
    with pytest.raises(CaptureError, match="ended in the middle, no generation was made"):
        taking(tree, lines=CUT_AFTER_2_MB.format(fifo=tree.parent / "fifo"), hooks=hooks)
    assert nothing_is_left(repository)
    deadline = time.monotonic() + 20
    while not done.is_dir():  # the agent is nobody's child any more, as on a head that is cut off
        assert time.monotonic() < deadline
        time.sleep(0.05)


def cut_after(folder: Path, cuts: Sequence[int]) -> str:
    (folder / "cuts").write_text("".join(f"{cut}\n" for cut in cuts))
    return CUT_AT_FIRST.format(cuts=folder / "cuts")


def pause_after(folder: Path, size_bytes: int, received: Path) -> str:
    """The connection brings so many bytes and no more, for as long as the other side lives."""
    return PAUSE_AFTER.format(fifo=folder / "paused", size=size_bytes, received=received)


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """A tree of 6 MiB in small pieces."""
    root = tmp_path / "many"
    root.mkdir()
    for number in range(96):
        (root / f"{number}").write_bytes(os.urandom(64 << 10))
    return root


def test_a_capture_that_is_cut_goes_on_where_it_was(
    taking: Taking, repository: Repository, many: Path, tmp_path: Path
) -> None:
    size_bytes = 6 << 20
    cuts = [random.randrange(1 << 20, 2 << 20) for _ in range(3)]
    report = taking(many, lines=cut_after(tmp_path, cuts), pauses_s=(0.0, 0.0))
    assert (tmp_path / "cuts").read_text() == ""
    assert sum(cuts) > 3 << 20
    assert size_bytes < report.received_bytes < 1.2 * size_bytes, cuts
    assert compare(entries(report.manifest, ChunkReader(repository.store)), many, Silence()) == []


def test_what_came_before_a_cut_is_not_sent_to_the_next_command(
    taking: Taking, repository: Repository, many: Path, tmp_path: Path
) -> None:
    with pytest.raises(SshError):
        taking(many, lines=cut_after(tmp_path, [4 << 20]))
    assert nothing_is_left(repository)
    assert taking(many).received_bytes < 2.3 * (1 << 20)


def test_what_came_before_this_process_was_killed_is_not_sent_again(
    taking: Taking, many: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capture_head, "KEEP_EVERY_S", 0.0)
    received = tmp_path / "received"
    child = os.fork()
    if child == 0:
        try:
            taking(many, lines=pause_after(tmp_path, 4 << 20, received))
        finally:
            os._exit(1)
    deadline = time.monotonic() + 60
    while not received.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    time.sleep(0.5)  # what the pipe still holds is taken in
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert taking(many).received_bytes < 2.3 * (1 << 20)


def test_a_head_with_hooks_is_not_asked_again_by_itself(
    taking: Taking, many: Path, tmp_path: Path
) -> None:
    with pytest.raises(SshError):
        taking(
            many,
            lines=cut_after(tmp_path, [3 << 20, 3 << 20]),
            hooks=Hooks((("true",),)),
            pauses_s=(0.0, 0.0),
        )
    assert (tmp_path / "cuts").read_text() == f"{3 << 20}\n"


def test_an_agent_that_is_killed_is_told_with_its_last_words(
    taking: Taking, repository: Repository, tree: Path
) -> None:
    with pytest.raises(CaptureError, match="Killed by the administrator"):
        taking(tree, lines='echo "Killed by the administrator" >&2; exit 137')
    assert nothing_is_left(repository)


def test_ssh_that_fails_in_the_middle_is_explained(taking: Taking, tree: Path) -> None:
    lines = 'echo "Timeout, server primary not responding: Connection timed out" >&2; exit 255'
    with pytest.raises(SshError, match="does not answer"):
        taking(tree, lines=lines)


@pytest.mark.parametrize(
    "lines",
    [
        r"printf '\000haoscar-pxe capture 1\n\377\377\377\377'; cat >/dev/null; exit 0",
        r"printf '\000haoscar-pxe capture 1\n\000\000\000\001\300'; cat >/dev/null; exit 0",
        "cat /dev/zero",
    ],
    ids=["a huge frame", "no message", "endless noise"],
)
def test_a_head_in_other_hands_is_refused(
    taking: Taking, repository: Repository, tree: Path, lines: str
) -> None:
    with pytest.raises(WireError):
        taking(tree, lines=lines)
    assert nothing_is_left(repository)


def test_a_head_that_cannot_be_reached_is_no_reason_to_touch_the_repository(
    repository: Repository, bundle: AgentBundle, tmp_path: Path
) -> None:
    options = CaptureOptions(root=tmp_path, image="primary", sealing=SEALING)
    head = Head(Ssh("-oProxyCommand=touch owned"))
    with pytest.raises(SshError, match="is no host"):
        capture_remote(options, head, bundle, repository, KEY, Silence())
    assert nothing_is_left(repository)
