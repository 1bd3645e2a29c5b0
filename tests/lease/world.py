"""A small world in which a lease is given: three acceptors, two heads, and a hostile network.

Time moves in ticks and everybody's instants are counted from now, so that states which differ only
in the hour are one state. The network loses, delays, repeats and reorders. Whoever does nothing
while time passes stands still, as a machine that is paused does; its door is the kernel's, which
goes on counting. Members restart, and an acceptor's clock may run fast by the whole margin. A head
and its own acceptor are one process, so that no network lies between them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeAlias

from haoscar_pxe.monitor.acceptor import Acceptor
from haoscar_pxe.monitor.holder import Holder
from haoscar_pxe.monitor.lease import HEADS, NOTHING, Ask, Member, Message, Release, Terms

TERMS: Final = Terms(lease_ns=2, margin_ns=1)
"""In ticks: the smallest lease in which half of one can pass."""
LONG_AGO: Final = -TERMS.lease_ns - 1
"""Stamps before this one can open nothing; they are one to the model."""

Letter: TypeAlias = tuple[Member, Member, Message]
"""From, to, what: on its way, perhaps for ever."""
Step: TypeAlias = tuple[str, "World"]


@dataclass(frozen=True)
class Rules:
    """The code under test, whole or with one thing wrong.

    keeps_promise: an acceptor's highest epoch survives its restart. shuts_at_start: a head's door
    is shut when its keeper begins. shuts_before_release: and before it gives the lease back.
    """

    name: str = "as it is"
    acceptor: type[Acceptor] = Acceptor
    holder: type[Holder] = Holder
    terms: Terms = TERMS
    keeps_promise: bool = True
    shuts_at_start: bool = True
    shuts_before_release: bool = True


@dataclass(frozen=True)
class Bounds:
    """How much of the infinite world is looked at: epochs, letters on their way at once, and how
    often on one path a letter is repeated, a member restarts, a clock is fast.
    """

    epochs: int = 3
    letters: int = 2
    repeats: int = 1
    restarts: int = 1
    fast_clocks: int = 1


@dataclass(frozen=True, slots=True)
class World:
    """One state. doors: until when each head's is open, by the kernel. last: the latest tenure that
    opened a door, and whose. repeats, restarts, fast_clocks: how many there may still be.
    """

    acceptors: tuple[Acceptor, ...]
    holders: tuple[Holder, ...]
    repeats: int
    restarts: int
    fast_clocks: int
    doors: tuple[int, int] = (0, 0)
    letters: tuple[Letter, ...] = ()
    last: tuple[int, Member] = (NOTHING, Member.WITNESS)
    broken: str = field(default="", compare=False)

    def steps(self, rules: Rules, bounds: Bounds) -> Iterator[Step]:
        """Everything that can happen next."""
        yield "a tick", self._tick()
        for letter in self.letters:
            rest = replace(self, letters=tuple(each for each in self.letters if each != letter))
            yield f"arrived: {_words(letter)}", rest._delivered(letter, rules, bounds)
            if self.repeats:
                again = replace(self, repeats=self.repeats - 1)
                arrived = again._delivered(letter, rules, bounds)
                yield f"arrived, and will again: {_words(letter)}", arrived
            if len(self.letters) >= bounds.letters:
                yield f"lost: {_words(letter)}", rest
        for head in HEADS:
            yield from self._steps_of(head, rules, bounds)
        for member in Member:
            if self.restarts:
                yield f"{member.name} restarts", self._restarted(member, rules)
            if self.fast_clocks and (early := self._with_fast_clock(member)) != self:
                fast = replace(early, fast_clocks=self.fast_clocks - 1)
                yield f"{member.name}'s clock is fast", fast

    def _steps_of(self, head: Member, rules: Rules, bounds: Bounds) -> Iterator[Step]:
        holder = self.holders[head]
        if holder.epoch == NOTHING:
            if holder.known < bounds.epochs:
                yield f"{head.name} begins", self._with_holder(head, holder.begun())
            return
        for acceptor in Member:
            letter = (head, acceptor, holder.ask(0))
            yield f"{head.name} asks {acceptor.name}", self._sent(letter, rules, bounds)
        if holder.known < bounds.epochs:
            yield f"{head.name} may be overtaken", self._with_holder(head, holder.overtaken())
        yield f"{head.name} stops", self._stopped(head, rules, bounds)

    def fault(self) -> str:
        """What is wrong in this state, "" if nothing is."""
        if self.broken:
            return self.broken
        if min(self.doors) > 0:
            return "both doors are open"
        for head in HEADS:
            if self.doors[head] > 0 and self._backing(head) < 2:
                return f"{head.name}'s door is open without a majority"
        return ""

    def _backing(self, head: Member) -> int:
        """How many acceptors keep others out for this head: by a grant, or by being quiet."""
        return sum(each.holder(0) is head or each.quiet_until > 0 for each in self.acceptors)

    def _tick(self) -> World:
        return replace(
            self,
            acceptors=tuple(_acceptor_later(each) for each in self.acceptors),
            holders=tuple(_holder_later(each) for each in self.holders),
            doors=(max(0, self.doors[0] - 1), max(0, self.doors[1] - 1)),
            letters=tuple(_letter_later(each) for each in self.letters),
        )

    def _sent(self, letter: Letter, rules: Rules, bounds: Bounds) -> World:
        """The letter is on its way, or there already if it has none; lost where there are many."""
        sender, receiver, _ = letter
        if sender is receiver:
            return self._delivered(letter, rules, bounds)
        if len(self.letters) >= bounds.letters or letter in self.letters:
            return self
        return replace(self, letters=tuple(sorted((*self.letters, letter), key=_rank)))

    def _delivered(self, letter: Letter, rules: Rules, bounds: Bounds) -> World:
        sender, receiver, message = letter
        if isinstance(message, Ask):
            after, answer = self.acceptors[receiver].asked(sender, message, 0, rules.terms)
            world = self._with_acceptor(receiver, after)
            return world._sent((receiver, sender, answer), rules, bounds) if answer else world
        if isinstance(message, Release):
            return self._with_acceptor(receiver, self.acceptors[receiver].released(sender, message))
        holder = self.holders[receiver].answered(sender, message, 0, rules.terms)
        return self._with_holder(receiver, holder)._with_door(receiver, holder)

    def _with_door(self, head: Member, holder: Holder) -> World:
        """The head's door as its holder says; a tenure that opens one must be a new one."""
        until = max(0, holder.door_until)
        if until <= self.doors[head]:
            return self
        tenure = (holder.tenure, head)
        is_new = tenure == self.last or holder.tenure > self.last[0]
        broken = "" if is_new else f"{head.name} opens in epoch {holder.tenure} after {self.last}"
        return replace(self, doors=_put(self.doors, head, until), last=tenure, broken=broken)

    def _stopped(self, head: Member, rules: Rules, bounds: Bounds) -> World:
        holder, release = self.holders[head].stopped()
        world = self._with_holder(head, holder)
        if rules.shuts_before_release:
            world = replace(world, doors=_put(world.doors, head, 0))
        for acceptor in Member:
            world = world._sent((head, acceptor, release), rules, bounds)
        return world

    def _restarted(self, member: Member, rules: Rules) -> World:
        promised = self.acceptors[member].promised if rules.keeps_promise else 0
        fresh = rules.acceptor.restarted(promised, 0, rules.terms)
        world = replace(self._with_acceptor(member, fresh), restarts=self.restarts - 1)
        if member is Member.WITNESS:
            return world
        world = world._with_holder(member, rules.holder(known=self.holders[member].known))
        doors = _put(world.doors, member, 0) if rules.shuts_at_start else world.doors
        return replace(world, doors=doors)

    def _with_fast_clock(self, member: Member) -> World:
        """The acceptor believes that a grant, or its silence, is over up to a margin too early."""
        acceptor = self.acceptors[member]
        if 0 < acceptor.quiet_until <= TERMS.margin_ns:
            acceptor = replace(acceptor, quiet_until=0)
        grant = acceptor.grant
        if grant and 0 < grant.until <= TERMS.margin_ns:
            acceptor = replace(acceptor, grant=replace(grant, until=0))
        return self._with_acceptor(member, acceptor)

    def _with_acceptor(self, member: Member, acceptor: Acceptor) -> World:
        return replace(self, acceptors=_put(self.acceptors, member, acceptor))

    def _with_holder(self, head: Member, holder: Holder) -> World:
        return replace(self, holders=_put(self.holders, head, holder))


def first(rules: Rules, bounds: Bounds) -> World:
    """Nobody has granted or asked for anything."""
    return World(
        acceptors=tuple(rules.acceptor() for _ in Member),
        holders=tuple(rules.holder() for _ in HEADS),
        repeats=bounds.repeats,
        restarts=bounds.restarts,
        fast_clocks=bounds.fast_clocks,
    )


def _acceptor_later(acceptor: Acceptor) -> Acceptor:
    grant = acceptor.grant
    if grant:
        grant = replace(grant, until=max(0, grant.until - 1))
    return replace(acceptor, quiet_until=max(0, acceptor.quiet_until - 1), grant=grant)


def _holder_later(holder: Holder) -> Holder:
    one, two, three = (max(0, until - 1) for until in holder.grants)
    return replace(holder, grants=(one, two, three), door_until=max(0, holder.door_until - 1))


def _letter_later(letter: Letter) -> Letter:
    sender, receiver, message = letter
    if isinstance(message, Release):
        return letter
    return sender, receiver, replace(message, stamp=max(LONG_AGO, message.stamp - 1))


def _rank(letter: Letter) -> tuple[object, ...]:
    """An order of letters that is the same in every run."""
    sender, receiver, message = letter
    stamp = 0 if isinstance(message, Release) else message.stamp
    return sender, receiver, type(message).__name__, message.epoch, stamp


def _words(letter: Letter) -> str:
    sender, receiver, message = letter
    return f"{sender.name} to {receiver.name}: {message}"


def _put(values: Any, at: int, value: object) -> Any:
    """A tuple with one value exchanged."""
    return (*values[:at], value, *values[at + 1 :])
