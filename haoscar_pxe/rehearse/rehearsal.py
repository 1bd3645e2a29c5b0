"""A rehearsal: one generation becomes a machine that network-boots, installs itself and comes up.

It has a folder of its own in the work folder, in which nothing matters to anybody else:

    lock                 held while it runs
    haoscar-pxe.toml, serve.log, state/    of its boot server (see server.py)
    disk.raw, console.log, qemu.log        of its machine (see machine.py)
    screen.ppm           what the machine showed when a stage could not be reached
    mnt/                 where the installed disk is mounted for the comparison

The site's repository and keys are only read, its registry is not even opened.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from ipaddress import IPv4Interface
from pathlib import Path
from typing import Final

from haoscar_pxe.command import Run, run
from haoscar_pxe.config import Config
from haoscar_pxe.errors import HaoscarError, RehearsalError
from haoscar_pxe.image.progress import Watched, unwatched
from haoscar_pxe.nodes.node import Node, NodeState
from haoscar_pxe.nodes.order import Step
from haoscar_pxe.nodes.registry import Registry
from haoscar_pxe.rehearse.accelerator import accelerator
from haoscar_pxe.rehearse.comparison import compare_disk
from haoscar_pxe.rehearse.expectations import expected_probes
from haoscar_pxe.rehearse.firmware import MachineFirmware, for_image
from haoscar_pxe.rehearse.generation import OpenGeneration, open_generation
from haoscar_pxe.rehearse.hardware import GIB, DiskBus, Hardware, Nic
from haoscar_pxe.rehearse.machine import Machine
from haoscar_pxe.rehearse.network import Network, clean_leftovers, network
from haoscar_pxe.rehearse.probe import Page, Probe, ProbeResult, run_probe
from haoscar_pxe.rehearse.report import RehearsalReport
from haoscar_pxe.rehearse.server import Server, rehearsal_config
from haoscar_pxe.rehearse.steps import Narrator, Steps
from haoscar_pxe.rehearse.watch import NodeFailedError, Watch
from haoscar_pxe.rehearse.work_folder import held

RESETS_WITHIN_S: Final = 120.0
COMES_UP_WITHIN_S: Final = 300.0
CONSOLE_LINES: Final = 25


@dataclass(frozen=True, slots=True)
class Request:
    """What to rehearse, and on what machine.

    site: the real configuration. node: as registered, or made up; its state and disk do not
    matter. probes: beside those that follow from the image. disk_bytes: 0 is as large as the
    captured disk, and at least 4 GiB. firmware: None is the kind that the image boots by.
    only_start: end when the installer runs, before it touches the disk.
    """

    site: Config
    node: Node
    work: Path
    probes: tuple[Probe, ...] = ()
    firmware: MachineFirmware | None = None
    memory_mib: int = 1536
    processors: int = 2
    disk_bytes: int = 0
    nic: Nic = "virtio"
    disk_bus: DiskBus = "virtio"
    only_start: bool = False


@dataclass(frozen=True, slots=True)
class Up:
    """What a rehearsal has when its machine is up: for whoever goes on where it ends."""

    network: Network
    machine: Machine
    narrator: Narrator


def rehearse(
    request: Request,
    narrator: Narrator,
    watched: Watched = unwatched,
    run: Run = run,
    *,
    within: Network | None = None,
    then: Callable[[Up], None] | None = None,
) -> RehearsalReport:
    """Run it to its end. watched: gives the Progress of the comparison.

    within: the network to use, with what is in it already; None makes one. then: called when the
    machine is up, and before it is switched off.

    Raises RehearsalError when a stage cannot be reached, with the last words of the console, and
    what the rooms below raise. Nothing of it runs or is mounted any more when this returns.
    """
    _refuse_other_network(request)
    folder = request.work.absolute() / f"rehearsal-{request.node.name}"
    with held(folder, "a rehearsal"):
        return Rehearsal(request, folder, narrator, watched, run, within).run_all(then)


def _refuse_other_network(request: Request) -> None:
    address = IPv4Interface(request.node.boot_interface.address)
    server = request.site.serve.ip
    if address.network != server.network:
        raise RehearsalError(
            f"{request.node.name} boots with {address}, the server has {server}: a rehearsal has "
            "one wire and no relay between them",
            hint=f"'haoscar-pxe node set {request.node.name} --address …', or serve.address in "
            "the configuration",
        )


class Rehearsal:
    """One run, stage by stage; see `rehearse`."""

    def __init__(
        self,
        request: Request,
        folder: Path,
        narrator: Narrator,
        watched: Watched,
        run: Run,
        within: Network | None,
    ) -> None:
        self._request = request
        self._within = within
        self._folder = folder
        self._watched = watched
        self._run = run
        self._steps = Steps(narrator)
        self._site = request.site

    def run_all(self, then: Callable[[Up], None] | None = None) -> RehearsalReport:
        """All stages in their order."""
        step = self._steps.step
        with ExitStack() as stack:
            with step("make the boot files"):
                net = stack.enter_context(self._network())
                self._site = rehearsal_config(self._request.site, net, self._folder)
                opened = open_generation(self._site, self._request.node)
            with step("make a machine with a blank disk"):
                machine = stack.enter_context(self._machine(opened, net))
            with step("start the boot server"):
                server = stack.enter_context(self._server(opened, net))
                registry = stack.enter_context(closing(Registry(self._site.paths.registry)))
                watch = self._watch(registry, machine, server)
            with self._explained(machine, server):
                with step("network-boot the machine"):
                    machine.power_on(stop_at_reset=True)
                    watch.until_started()
                if self._request.only_start:
                    return self._report(opened, machine, (), ())
                with step("install"):
                    watch.until_installed()
                    self._wait_for_reset(machine)
                with step("compare its disk with the generation"):
                    differences = self._compare(opened, machine)
                with step("switch it on again: network first, then its own disk"):
                    machine.power_on()
                    probes = self._probe(opened, net, machine)
                    _refuse_second_installation(watch)
                if then is not None:
                    then(Up(net, machine, self._steps.narrator))
        return self._report(opened, machine, differences, probes)

    @contextmanager
    def _network(self) -> Iterator[Network]:
        if self._within is not None:
            yield self._within
            return
        clean_leftovers(self._run)
        with network(self._request.site.serve.ip, self._run) as made:
            yield made

    def _server(self, opened: OpenGeneration, net: Network) -> Server:
        """The server, not started yet, with a registry that knows this one node."""
        path = self._site.paths.registry
        for left in path.parent.glob(f"{path.name}*"):
            left.unlink()
        with closing(Registry(path)) as registry:
            registry.add(opened.node)
        return Server(self._site, net, self._folder)

    def _watch(self, registry: Registry, machine: Machine, server: Server) -> Watch:
        def has_gone() -> str:
            if not server.is_running:
                return "the boot server ended"
            return "" if machine.is_on else "the machine went off or reset"

        return Watch(registry, self._request.node.name, self._steps.narrator, has_gone)

    def _machine(self, opened: OpenGeneration, net: Network) -> Machine:
        request, layout = self._request, opened.manifest.layout
        captured = max((disk.size_bytes for disk in layout.disks), default=0)
        hardware = Hardware(
            macs=tuple(each.mac for each in opened.node.interfaces),
            accelerator=accelerator(opened.kernel, request.work),
            disk_bytes=request.disk_bytes or max(captured, 4 * GIB),
            memory_mib=request.memory_mib,
            processors=request.processors,
            firmware=request.firmware or for_image(layout.boot.firmware),
            nic=request.nic,
            disk_bus=request.disk_bus,
        )
        self._steps.narrator.detail(hardware.describe())
        return Machine(self._folder, net, hardware)

    def _wait_for_reset(self, machine: Machine) -> None:
        if machine.wait_until_off(RESETS_WITHIN_S):
            return
        raise RehearsalError(
            f"the machine said that it is installed, but did not reboot in {RESETS_WITHIN_S:g} s"
        )

    def _compare(self, opened: OpenGeneration, machine: Machine) -> tuple[str, ...]:
        with self._watched("compare") as progress:
            return compare_disk(machine.disk, opened, self._folder / "mnt", progress, self._run)

    def _probe(
        self, opened: OpenGeneration, net: Network, machine: Machine
    ) -> tuple[ProbeResult, ...]:
        """Every probe; they share the time, because they wait for the same boot."""
        narrator, results = self._steps.narrator, []
        left_s = COMES_UP_WITHIN_S
        for probe in self._probes(opened):
            result = run_probe(probe, net, machine, left_s)
            left_s = max(left_s - result.seconds, 0.0)
            narrator.detail(f"{'' if result.ok else 'NOT: '}{result.name} ({result.seen})")
            results.append(result)
        return tuple(results)

    def _probes(self, opened: OpenGeneration) -> Iterator[Probe]:
        """What follows from the image, then what was demanded; a page is asked for once."""
        demanded = self._request.probes
        pages = {(each.address, each.path) for each in demanded if isinstance(each, Page)}
        for probe in expected_probes(opened.node, opened.files, opened.identity):
            if not (isinstance(probe, Page) and (probe.address, probe.path) in pages):
                yield probe
        yield from demanded

    @contextmanager
    def _explained(self, machine: Machine, server: Server) -> Iterator[None]:
        """Add to a stage's error where the logs are, and their ends unless the reason is known."""
        try:
            yield
        except NodeFailedError as error:
            raise RehearsalError(str(error), hint=f"all logs are in {self._folder}") from error
        except HaoscarError as error:
            self._save_screen(machine)
            lines = [line for line in machine.console().splitlines() if line.strip()]
            last = [f"    {line.rstrip()}" for line in lines[-CONSOLE_LINES:]]
            console = "\n".join(last) or "    (silent)"
            raise RehearsalError(
                f"{error}\nthe console's last lines:\n{console}\n"
                f"the boot server's last lines:\n{server.last_lines()}",
                hint=error.hint or f"all of it is in {self._folder}",
            ) from error

    def _save_screen(self, machine: Machine) -> None:
        """Firmware and boot programs speak on the screen, not on the serial line."""
        with suppress(RehearsalError):
            if machine.is_on:
                machine.screendump(self._folder / "screen.ppm")

    def _report(
        self,
        opened: OpenGeneration,
        machine: Machine,
        differences: tuple[str, ...],
        probes: tuple[ProbeResult, ...],
    ) -> RehearsalReport:
        return RehearsalReport(
            node=opened.node.name,
            image=opened.manifest.image,
            generation=opened.manifest.generation,
            accelerator=machine.hardware.accelerator,
            firmware=machine.hardware.firmware,
            only_start=self._request.only_start,
            steps=tuple(self._steps.timed),
            compared=opened.manifest.entry_count,
            declared=tuple(
                (each.path.decode("utf-8", "backslashreplace"), each.reason)
                for each in opened.identity
            ),
            differences=differences,
            probes=probes,
            folder=str(self._folder),
        )


def _refuse_second_installation(watch: Watch) -> None:
    """A node that is installed is sent to its own disk; an installer that ran again is a fault."""
    events = watch.events()
    done = next(i for i, event in enumerate(events) if event.step is Step.INSTALLED)
    after = [event for event in events[done + 1 :] if event.step is Step.STARTED]
    state = watch.registry.get(watch.node).state
    if after or state is not NodeState.INSTALLED:
        raise RehearsalError(f"{watch.node} was sent to the installer again; its state is {state}")
