"""Three keepers in simulated time, on a network that loses, delays, repeats and is cut."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from random import Random

from haoscar_pxe.monitor.entrance import Entrance
from haoscar_pxe.monitor.keeping import Keeper
from haoscar_pxe.monitor.lease import HEADS, Member, Tenures, Terms
from haoscar_pxe.monitor.reports import Orders, Settings

MS = 1_000_000
TERMS = Terms()
NETWORK = ("192.0.2.1", "192.0.2.2", "192.0.2.3")
LIMIT = 1 << 20


class SimulatedDoor:
    """A door of the kernel's: it shuts when its time is over, whatever its head does. It is the
    face behind itself, too: has_face says whether the addresses are there.
    """

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self.until = 0
        self.has_face = False

    def open(self, until: int) -> bool:
        """See Door; it shuts 40 ms early, as the kernel's does."""
        if until - 40 * MS <= self._clock():
            return False
        self.until = until - 40 * MS
        return True

    def shut(self) -> None:
        """See Door."""
        self.until = 0

    def appear(self) -> str:
        """See Face."""
        self.has_face = True
        return ""

    def vanish(self) -> bool:
        """See Face."""
        self.has_face = False
        return True

    @property
    def is_open(self) -> bool:
        """Whether traffic passes now."""
        return self._clock() < self.until


@dataclass
class Weather:
    """How the network is. loss, repeat: probabilities. delay_ms: at most. cut: (from, to)."""

    loss: float = 0.0
    repeat: float = 0.0
    delay_ms: float = 1.0
    cut: set[tuple[Member, Member]] = field(default_factory=set)

    def isolate(self, member: Member) -> None:
        """Cut everything to and from the member."""
        self.cut |= {pair for a in Member for pair in ((a, member), (member, a)) if a is not member}


class Cluster:
    """The three. `run` lets time pass and looks at both doors at every step."""

    def __init__(self, seed: int = 1, terms: Terms = TERMS, keeper: type[Keeper] = Keeper) -> None:
        self.now = 10_000 * MS
        self.random = Random(seed)
        self.terms = terms
        self.keeper = keeper
        self.weather = Weather()
        self.doors = {head: SimulatedDoor(lambda: self.now) for head in HEADS}
        self.keepers: dict[Member, Keeper] = {}
        self.frozen: set[Member] = set()
        self.unwilling = dict.fromkeys(HEADS, "")
        self.limits = dict.fromkeys(Member, LIMIT)
        self.tenures_kept = dict.fromkeys(Member, Tenures())
        self.waits = False
        self.tenures: list[tuple[int, Member]] = []
        self.faults: list[str] = []
        self._mail: list[tuple[int, int, Member, bytes]] = []
        self._serial = count()
        for member in Member:
            self.start(member, 0)

    def start(self, member: Member, promised: int | None = None) -> None:
        """(Re)start a keeper; its door is shut by the new one."""
        promised = self.limits[member] if promised is None else promised
        self.limits[member] = promised + LIMIT
        door = self.doors.get(member)
        if door is not None:
            door.shut()
            door.vanish()
        settings = Settings(
            member, self.terms, (NETWORK,), 1, bytes(32), promised, self.tenures_kept[member], None
        )
        self.keepers[member] = self.keeper(
            settings,
            Entrance(door, door) if door else None,
            lambda peer, datagram: self._post(member, peer, datagram),
            lambda: self.random.randbytes(8),
            self.now,
        )
        self._order(member)

    def kill(self, member: Member) -> None:
        """The keeper is gone; its door is left as it is."""
        del self.keepers[member]

    def run(self, ms: float) -> None:
        """Let time pass in steps of 1 ms."""
        for _ in range(int(ms)):
            self.now += MS
            while self._mail and self._mail[0][0] <= self.now:
                _, _, to, datagram = heapq.heappop(self._mail)
                if to in self.keepers and to not in self.frozen:
                    self.keepers[to].heard(datagram, 0, self.now)
            for member, keeper in self.keepers.items():
                if member not in self.frozen and keeper.next_tick() <= self.now:
                    keeper.tick(self.now)
                if member not in self.frozen and self.now // MS % 1000 == 0:
                    self._order(member)
            self._look()

    def run_until(self, head: Member, ms: int = 5000) -> int:
        """Let time pass until the head's door is open: how many ms it took, -1 if it never was."""
        for passed in range(ms):
            if self.doors[head].is_open:
                return passed
            self.run(1)
        return -1

    def storm(self, turns: int) -> None:
        """Crashes, freezes, partitions, moves and bad weather at random."""
        random, weather = self.random, self.weather
        pairs = [(a, b) for a in Member for b in Member if a is not b]
        for _ in range(turns):
            weather.loss = random.choice([0, 0, 0.1, 0.5])
            weather.repeat = random.choice([0, 0.3])
            weather.delay_ms = random.choice([1, 1, 50, 400])
            weather.cut = set(random.sample(pairs, random.choice([0, 0, 1, 2, 4])))
            self.frozen = {head for head in HEADS if random.random() < 0.2}
            self.unwilling = {head: "asked to" if random.random() < 0.1 else "" for head in HEADS}
            if random.random() < 0.3:
                self.start(random.choice(list(Member)))
            self.run(random.uniform(50, 1500))

    def calm(self) -> None:
        """All is well again from now on."""
        self.frozen.clear()
        self.weather = Weather()
        self.unwilling = dict.fromkeys(HEADS, "")

    @property
    def active(self) -> Member | None:
        """Whose door is open."""
        return next((head for head in HEADS if self.doors[head].is_open), None)

    def _order(self, member: Member) -> None:
        keeper = self.keepers[member]
        self.tenures_kept[member] = keeper.report(self.now).tenures
        highest = keeper.report(self.now).highest
        if highest > self.limits[member] - LIMIT // 2:
            self.limits[member] = highest + LIMIT
        unwilling = self.unwilling.get(member, "")
        keeper.told(Orders(unwilling, True, True, self.limits[member], waits=self.waits), self.now)

    def _post(self, sender: Member, receiver: Member, datagram: bytes) -> None:
        weather = self.weather
        if (sender, receiver) in weather.cut or self.random.random() < weather.loss:
            return
        copies = 1 + (self.random.random() < weather.repeat)
        for _ in range(copies):
            late = self.now + int(self.random.uniform(0.1, weather.delay_ms) * MS)
            heapq.heappush(self._mail, (late, next(self._serial), receiver, datagram))

    def _look(self) -> None:
        for head, door in self.doors.items():
            if door.is_open and not door.has_face:
                self.faults.append(f"{head.name}'s door is open and its addresses are not there")
        if all(door.is_open for door in self.doors.values()):
            self.faults.append(f"both doors are open at {self.now // MS} ms")
        for head, keeper in self.keepers.items():
            report = keeper.report(self.now) if head in HEADS else None
            if report and report.is_active and self.tenures[-1:] != [(report.tenure, head)]:
                if self.tenures and report.tenure <= self.tenures[-1][0]:
                    self.faults.append(
                        f"{head.name} is active in {report.tenure} after {self.tenures}"
                    )
                self.tenures.append((report.tenure, head))
