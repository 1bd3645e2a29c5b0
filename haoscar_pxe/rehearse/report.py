"""What a rehearsal found: values for people and, as JSON, for programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from haoscar_pxe.rehearse.firmware import MachineFirmware
from haoscar_pxe.rehearse.probe import ProbeResult
from haoscar_pxe.rehearse.steps import TimedStep


@dataclass(frozen=True, slots=True)
class RehearsalReport:
    """A rehearsal that ran to its end.

    compared: entries of the generation that were compared. declared: (path, reason) of every
    identity change. differences: what differs beyond them, and declared changes that are not
    there, each in words. folder: logs, consoles and the disk. only_start: it ended when the
    installer ran, so nothing was compared or probed.
    """

    node: str
    image: str
    generation: int
    accelerator: str
    steps: tuple[TimedStep, ...]
    compared: int
    declared: tuple[tuple[str, str], ...]
    differences: tuple[str, ...]
    probes: tuple[ProbeResult, ...]
    folder: str
    firmware: MachineFirmware = "bios"
    only_start: bool = False

    @property
    def ok(self) -> bool:
        """The standby is what it must be."""
        return not self.differences and all(result.ok for result in self.probes)


def summary(report: RehearsalReport, before: Sequence[TimedStep] = ()) -> list[str]:
    """The report as lines for people, the verdict last. before: steps that led to it."""
    steps = (*before, *report.steps)
    lines = [f"{step.seconds:7.1f} s  {step.name}" for step in steps]
    lines.append(f"{sum(step.seconds for step in steps):7.1f} s  in all")
    if report.only_start:
        started = f"{report.node} boots the installer from the network by {report.firmware}."
        return [*lines, f"{started} It was not installed."]
    lines += [_probe_line(result) for result in report.probes]
    lines.append(
        f"{_mark(not report.differences)} {report.compared} entries compared with {report.image} "
        f"generation {report.generation}: {len(report.differences)} differences outside "
        f"{len(report.declared)} declared ones"
    )
    lines += [f"    {difference}" for difference in report.differences]
    return [*lines, _verdict(report)]


def _probe_line(result: ProbeResult) -> str:
    return f"{_mark(result.ok)} {result.name}: {result.seen}"


def _mark(ok: bool) -> str:
    return "  ok  " if ok else "FAILED"


def _verdict(report: RehearsalReport) -> str:
    if report.ok:
        return f"{report.node} boots from the network, installs itself and comes up as declared."
    return f"{report.node} is NOT what it must be; logs and consoles are in {report.folder}"
