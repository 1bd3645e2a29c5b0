"""Watching a machine install itself: its reports, told on, until it is done, fails or is silent.

The reports are read from the rehearsal's registry, where the boot server records them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from haoscar_pxe.errors import RehearsalError
from haoscar_pxe.nodes.order import NodeEvent, Step
from haoscar_pxe.nodes.registry import Registry
from haoscar_pxe.rehearse.steps import Narrator

LOOK_EVERY_S: Final = 0.5
FIRST_REPORT_S: Final = 300.0
"""Firmware, kernel and initramfs take 20 s under TCG; the first boot also makes the initramfs."""
SILENCE_S: Final = 300.0
"""Between two reports. Percentages come every few seconds."""


class InstallationFailedError(RehearsalError):
    """The machine did not install itself; the message says what it said last."""


class NodeFailedError(InstallationFailedError):
    """The machine itself said why it cannot go on; no log says it better."""


@dataclass(slots=True)
class Watch:
    """One installation under way. has_gone: says why the machine or server cannot go on, or ""."""

    registry: Registry
    node: str
    narrator: Narrator
    has_gone: Callable[[], str]
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    seen: int = field(default=0, init=False)
    last: NodeEvent | None = field(default=None, init=False)

    def until_started(self) -> None:
        """Wait for the first report: the installer runs. Raises InstallationFailedError."""
        self._until(lambda: self.last is not None, FIRST_REPORT_S)

    def until_installed(self) -> None:
        """Wait until the machine says that it is done. Raises InstallationFailedError."""
        self._until(lambda: self.last is not None and self.last.step is Step.INSTALLED, SILENCE_S)

    def events(self) -> list[NodeEvent]:
        """All it ever reported."""
        return [recorded.event for recorded in self.registry.events(self.node)]

    def _until(self, is_so: Callable[[], bool], silence_s: float) -> None:
        deadline = self.clock() + silence_s
        while True:
            why_gone = self.has_gone()  # asked before reading, so that its last words are read
            if self._read():
                deadline = self.clock() + silence_s
            if is_so():
                return
            if why_gone:
                raise InstallationFailedError(f"{why_gone}; {self._last_words()}")
            if self.clock() > deadline:
                raise InstallationFailedError(
                    f"no report from {self.node} for {silence_s:g} s; {self._last_words()}"
                )
            self.sleep(LOOK_EVERY_S)

    def _read(self) -> bool:
        """Read and tell new reports; whether there were any. Raises if one says it failed."""
        new = self.registry.events(self.node, after=self.seen)
        for recorded in new:
            self._tell(recorded.event)
            self.seen, self.last = recorded.number, recorded.event
            if recorded.event.step is Step.FAILED:
                raise NodeFailedError(
                    f"{self.node} could not install itself: {recorded.event.message}\n"
                    f"{recorded.event.detail}".rstrip()
                )
        return bool(new)

    def _tell(self, event: NodeEvent) -> None:
        is_same_step = self.last is not None and self.last.step is event.step
        if event.percent is not None:
            self.narrator.percent(event.percent, f"{event.step}: {event.message}".rstrip(": "))
        if not is_same_step or event.percent is None:
            self.narrator.detail(f"{event.step}: {event.message}".rstrip(": "))

    def _last_words(self) -> str:
        if self.last is None:
            return f"{self.node} never reported anything"
        return f"its last report was '{self.last.step}': {self.last.message}".rstrip(": ")
