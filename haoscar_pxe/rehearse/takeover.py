"""The whole story on one machine: a head that runs, its standby, a power cut, and what clients see.

It goes on where the demo ends. The primary is a virtual machine that runs; it gets the monitor over
ssh, is captured over ssh, and the standby installs itself from that image, monitor included. The
image server is the witness, and a client of the virtual address. Then the primary loses its power.

Beside what the demo has in its work folder:

    takeover/disk.raw, console.log, …    the primary (see live_head.py)
    takeover/cluster.key, state/         the witness
    takeover/witness.log                 what its monitor said
"""

from __future__ import annotations

import http.client
import json
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, TypeAlias

from haoscar_pxe import command
from haoscar_pxe.boot.bundle import build_bundle
from haoscar_pxe.capture.capture import CaptureOptions
from haoscar_pxe.capture.files.secrets import Sealing, SecretRules
from haoscar_pxe.capture.remote.capture_head import Head, capture_remote
from haoscar_pxe.capture.remote.delivery import AgentBundle
from haoscar_pxe.command import run
from haoscar_pxe.config import FILE_NAME, Config
from haoscar_pxe.config_failover import FailoverConfig, FloatingAddress, HeartbeatNetwork
from haoscar_pxe.errors import FailoverError, RehearsalError
from haoscar_pxe.image.progress import Watched, unwatched
from haoscar_pxe.image.repository import Repository
from haoscar_pxe.image.sealing_keys import KeyFolder
from haoscar_pxe.monitor.head_files import head_files
from haoscar_pxe.monitor.head_install import install_on_head
from haoscar_pxe.monitor.talk import ask
from haoscar_pxe.rehearse import head as demo_head
from haoscar_pxe.rehearse.accelerator import accelerator
from haoscar_pxe.rehearse.demo import (
    IMAGE,
    NODE_ADDRESS,
    SERVER_ADDRESS,
    demo_config,
    register,
    signer_of,
)
from haoscar_pxe.rehearse.live_head import LiveHead
from haoscar_pxe.rehearse.network import Network, clean_leftovers, network
from haoscar_pxe.rehearse.rehearsal import Request, Up, rehearse
from haoscar_pxe.rehearse.report import RehearsalReport, summary
from haoscar_pxe.rehearse.server import program
from haoscar_pxe.rehearse.steps import Narrator, Steps, TimedStep
from haoscar_pxe.rehearse.work_folder import held

VIRTUAL: Final = "10.77.0.100"
ORPHAN: Final = "orphan"
COVERED_WITHIN_S: Final = 180.0
RESUMES_WITHIN_S: Final = 30.0
LEARNS_WITHIN_S: Final = 60.0
"""A head whose sshd answers may have heard of nobody yet, with two machines on two processors."""
ASK_EVERY_S: Final = 0.02
ANSWER_WITHIN_S: Final = 0.2


@dataclass(frozen=True, slots=True)
class TakeoverReport:
    """silence_s: from the power cut to the first page that the client got from the standby.

    returned: what the old primary says of itself when it is on again. orphan_entries: of the
    generation that was captured from it then, -1 if none was to be.
    """

    steps: tuple[TimedStep, ...]
    rehearsal: RehearsalReport
    silence_s: float
    returned: str
    orphan_entries: int

    @property
    def ok(self) -> bool:
        """The standby is what it must be, took over, and the old primary kept still."""
        return self.rehearsal.ok and "was replaced" in self.returned and self.orphan_entries != 0


Afterwards: TypeAlias = Callable[[Up, LiveHead], None]
"""Given the standby, which is active, and the old primary, which is passive."""


class Takeover:
    """One run, in the work folder of a demo."""

    def __init__(
        self, work: Path, narrator: Narrator, watched: Watched, afterwards: Afterwards | None
    ) -> None:
        self._work = work
        self._afterwards = afterwards
        self._folder = work / "takeover"
        self._watched = watched
        self._steps = Steps(narrator)
        self._config = takeover_config(work)
        self._silence_s = -1.0
        self._returned = ""
        self._orphan_entries = 0 if afterwards is None else -1

    def run_all(self) -> TakeoverReport:
        """All of it. Raises what the rooms raise."""
        step, narrator = self._steps.step, self._steps.narrator
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True)
        with step("make a head"):
            tree = demo_head.make_head(self._work, narrator).tree
        clean_leftovers()
        with network(self._config.serve.ip) as net, self._primary(tree, net) as primary:
            with step("put the monitor on the head"):
                self._install(primary)
            with self._witness(net):
                with step("wait until it is active"):
                    await_active(Path(self._config.failover.state), "primary")
                with step("capture it over ssh"):
                    self._capture(primary, IMAGE)
                node = register(self._config, IMAGE)
                request = Request(self._config, node, self._work)
                rehearsed = rehearse(
                    request,
                    narrator,
                    self._watched,
                    within=net,
                    then=lambda up: self._cut_the_power(up, primary),
                )
        return TakeoverReport(
            steps=tuple(self._steps.timed),
            rehearsal=rehearsed,
            silence_s=self._silence_s,
            returned=self._returned,
            orphan_entries=self._orphan_entries,
        )

    @contextmanager
    def _primary(self, tree: Path, net: Network) -> Iterator[LiveHead]:
        kernel = next((tree / "boot").glob("vmlinuz-*"))
        primary = LiveHead(tree, self._folder, net, accelerator(kernel, self._work))
        try:
            with net.inside():
                with self._steps.step("switch the head on"):
                    primary.power_on()
                yield primary
        finally:
            primary.remove()

    def _install(self, primary: LiveHead) -> None:
        bundle = self._bundle()
        key = Path(self._config.failover.key)
        key.write_text(f"{secrets.token_hex(32)}\n")
        key.chmod(0o600)
        on_heads = replace(
            self._config.failover, key="/etc/haoscar-pxe/cluster.key", state=FailoverConfig().state
        )
        install_on_head(bundle, primary.ssh, head_files(on_heads, key.read_text()), run)

    @contextmanager
    def _witness(self, net: Network) -> Iterator[None]:
        config = self._folder / FILE_NAME
        config.write_text(self._config.render())
        argv = [program(), "--config", str(config), "monitor"]
        process = command.start(net.command(argv), self._folder / "witness.log")
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _capture(self, primary: LiveHead, image: str) -> int:
        keys = Path(self._config.paths.keys)
        signer = signer_of(keys)
        options = CaptureOptions(
            root=Path("/"),
            image=image,
            sealing=Sealing(KeyFolder.below(keys).current(image), SecretRules()),
            live=True,
        )
        with self._watched(f"capture {image}") as progress:
            report = capture_remote(
                options,
                Head(primary.ssh),
                self._bundle(),
                Repository.create(Path(self._config.paths.repository)),
                signer,
                progress,
            )
        return report.manifest.entry_count

    def _bundle(self) -> AgentBundle:
        made = build_bundle(self._config.paths.bundle_cache)
        return AgentBundle(made.id, made.folder)

    def _cut_the_power(self, up: Up, primary: LiveHead) -> None:
        step, narrator = self._steps.step, self._steps.narrator
        state = Path(self._config.failover.state)
        with step("wait until the standby would take over"):
            await_active(state, "primary", is_covered=True)
            get_page(up.network)
        with step("cut the primary's power; a client asks on"):
            primary.pull_the_plug()
            self._silence_s = until_page(up.network)
            narrator.detail(f"the page is there again after {self._silence_s:.2f} s")
        with step("switch the old primary on again"):
            primary.power_on()
            await_active(state, "standby")
            self._returned = _why_unwilling(primary)
            narrator.detail(f"it is passive: {self._returned}")
        if self._afterwards is not None:
            self._afterwards(up, primary)
            return
        with step("capture what was written on it last, as an orphan"):
            self._orphan_entries = self._capture(primary, ORPHAN)


def run_takeover(
    work: Path,
    narrator: Narrator,
    watched: Watched = unwatched,
    afterwards: Afterwards | None = None,
) -> TakeoverReport:
    """Run it in the folder `work`. Needs root.

    afterwards: what to do with both heads at the end, while they run; by default the old primary
    is captured as an orphan.
    """
    work = work.absolute()
    with held(work, "the demo"):
        return Takeover(work, narrator, watched, afterwards).run_all()


def takeover_config(work: Path) -> Config:
    """The demo's image server, which is the witness, too. work: absolute."""
    addresses = (demo_head.ADDRESS, NODE_ADDRESS, SERVER_ADDRESS)
    primary, standby, witness = (each.partition("/")[0] for each in addresses)
    failover = FailoverConfig(
        network=(HeartbeatNetwork(primary, standby, witness),),
        address=(FloatingAddress(VIRTUAL, demo_head.INTERFACE),),
        key=str(work / "takeover/cluster.key"),
        state=str(work / "takeover/state"),
    )
    return replace(demo_config(work), failover=failover)


def takeover_summary(report: TakeoverReport) -> list[str]:
    """The report as lines for people, the verdict last."""
    lines = summary(report.rehearsal)
    times = [f"{step.seconds:7.1f} s  {step.name}" for step in report.steps]
    verdict = (
        f"The primary lost its power; the page was there again after {report.silence_s:.2f} s."
        if report.ok
        else "The take-over was NOT what it must be."
    )
    return [
        *lines,
        "",
        *times,
        f"the old primary, on again: {report.returned or 'would take over'}",
        f"captured from it as '{ORPHAN}': {report.orphan_entries} entries",
        verdict,
    ]


def await_active(state: Path, head: str, *, is_covered: bool = False) -> None:
    """Until the witness, whose state folder it is, says so. Raises RehearsalError."""
    deadline = time.monotonic() + COVERED_WITHIN_S
    said = ""
    while time.monotonic() < deadline:
        try:
            found = ask(state, "status")
            said = f"active: '{found['active']}'; {found['if_active_died']}"
            if found["active"] == head and (found["is_covered"] or not is_covered):
                return
        except FailoverError as error:
            said = str(error)
        time.sleep(0.2)
    raise RehearsalError(
        f"the {head} is not active{' and covered' if is_covered else ''} after "
        f"{COVERED_WITHIN_S:g} s; the witness says: {said}",
        hint=f"see {state.parent}/witness.log and the consoles",
    )


def get_page(net: Network) -> None:
    """Get the page from the virtual address. Raises OSError, HTTPException, RehearsalError."""
    client = http.client.HTTPConnection(VIRTUAL, timeout=ANSWER_WITHIN_S)
    try:
        with net.inside():
            client.connect()
        client.request("GET", "/")
        body = client.getresponse().read().decode("utf-8", "replace")
    finally:
        client.close()
    if demo_head.PAGE.strip() not in body:
        raise RehearsalError(f"the page at {VIRTUAL} is another one: {body[:100]}")


def until_page(net: Network) -> float:
    """Ask again and again; how long until the page came."""
    began = time.monotonic()
    while (passed := time.monotonic() - began) < RESUMES_WITHIN_S:
        try:
            get_page(net)
        except (OSError, http.client.HTTPException):
            time.sleep(ASK_EVERY_S)
        else:
            return time.monotonic() - began
    raise RehearsalError(f"nobody serves the page {passed:.0f} s after the primary's death")


def _why_unwilling(primary: LiveHead) -> str:
    """What the monitor on the primary says of itself once it heard of its successor, or ""."""
    deadline = time.monotonic() + LEARNS_WITHIN_S
    while True:
        found = _status(primary)
        if found["was_replaced"] or time.monotonic() > deadline:
            return str(found["unwilling"])
        time.sleep(ASK_EVERY_S)


def _status(primary: LiveHead) -> dict[str, Any]:
    """What the monitor on the primary says of itself."""
    said = primary.ssh.run("haoscar-pxe failover status --json || true", run)
    found: dict[str, Any] = json.loads(said)
    return found
