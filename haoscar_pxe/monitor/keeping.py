"""The keeper: one member's part in the lease, driven by datagrams, orders and instants.

It joins what one machine grants (`acceptor.py`), asks for (`asking.py`), hears (`hearing.py`) and
shows (`presence.py`). It reads no clock and owns no socket: `keeper.py` does. The door is opened
after a majority was heard, then the addresses appear; it is shut and they are gone before the
lease is given back.

Each member says something to both others every BEATS-th of a lease: a head that has or wants the
lease asks for it, who does neither says hello; and at once when a grant is over or given back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from haoscar_pxe.errors import FailoverError, WireError
from haoscar_pxe.monitor.acceptor import Acceptor
from haoscar_pxe.monitor.asking import Asking
from haoscar_pxe.monitor.candidate import WAS_REPLACED, Standing, verdict
from haoscar_pxe.monitor.entrance import Entrance
from haoscar_pxe.monitor.hearing import Hearing
from haoscar_pxe.monitor.lease import NOTHING, Answer, Ask, Member, Release, Tenures
from haoscar_pxe.monitor.presence import Presence
from haoscar_pxe.monitor.reports import ORDERS_LAST_NS, Orders, Report, Settings
from haoscar_pxe.wire.heartbeat import Content, Flag, Kind, decode, encode
from haoscar_pxe.wire.heartbeat_session import Tokens

BEATS: Final = 8
"""Heartbeats in a lease."""
RELEASES: Final = 3
"""How often a release is said: one may be lost."""
REST_NS: Final = 3_000_000_000
"""After a lease was given back on purpose, the other head has so long to take it."""
BACKOFF_NS: Final = {Member.PRIMARY: 100_000_000, Member.STANDBY: 700_000_000}
"""After a lease without a majority; unequal, so that two who ask do not meet again."""
Send: TypeAlias = Callable[[Member, bytes], None]
"""Sends a datagram to a peer over every network. What cannot be sent is lost."""


class Keeper:
    """One member. entrance: None for the witness. All instants are the machine's own, in ns."""

    def __init__(
        self, settings: Settings, entrance: Entrance | None, send: Send, tokens: Tokens, now: int
    ) -> None:
        self._settings = settings
        self._send = send
        self._beat_ns = settings.terms.lease_ns // BEATS
        self._acceptor = Acceptor.restarted(settings.promised, now, settings.terms)
        self._asking = Asking(settings.promised, settings.terms, now)
        self._hearing = Hearing(settings, self._beat_ns, tokens)
        self._presence = Presence(entrance)
        self._tenures = settings.tenures
        self._orders = Orders("its monitor has said nothing yet", False, False, settings.promised)
        self._ordered_at = now
        self._next_beat = now
        self._resting_until = 0
        self._free_since = now
        self._released: list[int] = []
        self._granted_to: Member | None = None
        self._reason = "was just started"
        self._ended = ""
        self.undecodable = 0

    def is_active(self, now: int) -> bool:
        """Whether the door is open."""
        return self._presence.is_open(now)

    def next_tick(self) -> int:
        """When `tick` is wanted at the latest."""
        instants = [self._next_beat]
        if self._granted_to is not None and self._acceptor.grant:
            instants.append(self._acceptor.grant.until)
        if self._presence.open_until:
            instants.append(self._presence.open_until)
        return min(instants)

    def tick(self, now: int) -> None:
        """Do what is due."""
        if self._presence.has_run_out(now):
            self._let_go("lost the lease: no majority renewed it in time", now)
        if not self._asking.is_on:
            self._consider(now)
        elif unwilling := self._unwilling(now):
            self._let_go(f"gave the lease back: {unwilling}", now, rest_ns=REST_NS)
        else:
            self._go_on_asking(now)
        if self._acceptor.holder(now) is not self._granted_to:
            self._granted_to = self._acceptor.holder(now)
            self._next_beat = now
        if now >= self._next_beat:
            self._beat(now)

    def told(self, orders: Orders, now: int) -> None:
        """Take the monitor's orders."""
        self._orders, self._ordered_at = orders, now
        self.tick(now)

    def heard(self, datagram: bytes, network: int, now: int) -> None:
        """Take a datagram; what is not a fresh word of a peer's changes nothing."""
        try:
            beat = decode(datagram, self._settings.key)
        except WireError:
            self.undecodable += 1
            return
        if beat.receiver != self._settings.member:
            return
        peer = self._hearing.of(Member(beat.sender))
        content, reply = peer.session.heard_beat(beat)
        if reply is not None:
            self._send(peer.member, encode(reply, self._settings.key))
        if beat.nonce == peer.session.known and beat.sequence + BEATS > peer.session.heard:
            peer.by_network[network] = now
        if content is not None:
            peer.said(content, now)
            self._tenures = self._tenures.merged(Tenures(*content.tenures))
            self._tenures = self._tenures.known(peer.member, peer.tenure)
            self._obey(peer.member, content, now)
            self.tick(now)

    def report(self, now: int) -> Report:
        """How it stands."""
        return Report(
            is_active=self.is_active(now),
            tenure=self._asking.holder.tenure,
            holder=self._acceptor.holder(now),
            reason=self._reason,
            highest=max(self._known(), self._acceptor.promised),
            tenures=self._tenures,
            ended=self._ended,
            guards_gone=self._presence.guards_gone,
            trouble=self._presence.trouble,
            undecodable=self.undecodable,
            peers=self._hearing.report(now),
        )

    def stop(self, now: int) -> None:
        """Shut the door and give back what it has, before the process ends."""
        self._let_go("was stopped", now)

    def _obey(self, peer: Member, content: Content, now: int) -> None:
        if content.kind is Kind.ASK:
            given = self._asked(peer, Ask(content.epoch, content.stamp), now)
            if given is not None:
                self._say(peer, Kind.ANSWER, now, answer=given)
        elif content.kind is Kind.ANSWER:
            holder = None if content.holder is None else Member(content.holder)
            granted = bool(content.flags & Flag.GRANTED)
            promised = content.promised
            self._answered(
                peer, Answer(content.epoch, content.stamp, granted, promised, holder), now
            )
        elif content.kind is Kind.RELEASE:
            self._acceptor = self._acceptor.released(peer, Release(content.epoch))

    def _asked(self, asker: Member, ask: Ask, now: int) -> Answer | None:
        """The own acceptor's answer; it is silent on epochs above the durable limit."""
        if ask.epoch > self._orders.limit:
            return None
        self._acceptor, answer = self._acceptor.asked(asker, ask, now, self._settings.terms)
        return answer

    def _answered(self, acceptor: Member, answer: Answer, now: int) -> None:
        if self._asking.is_on and self._asking.answered(acceptor, answer, now):
            self._open(now)

    def _open(self, now: int) -> None:
        holder, was_open = self._asking.holder, self.is_active(now)
        try:
            if not self._presence.open(holder.door_until):
                return
        except FailoverError as error:
            self._let_go(f"gave the lease back: {error}", now, rest_ns=REST_NS)
            return
        self._tenures = self._tenures.known(self._settings.member, holder.tenure)
        if not was_open:
            self._reason = self._hearing.why_free(now)
            self._presence.appear()

    def _let_go(self, reason: str, now: int, rest_ns: int = 0) -> None:
        """Shut the door, then give the lease back and say so.

        Where neither the door can be shut nor the addresses be removed it is not given back: the
        lease keeps the other head away until it has run out.
        """
        if self._asking.holder.tenure != NOTHING:
            self._ended = reason
        is_shut = self._presence.end()
        if self._asking.is_on:
            release = self._asking.stop()
            if is_shut:
                self._acceptor = self._acceptor.released(self._settings.member, release)
                self._released = [release.epoch] * RELEASES
        self._reason, self._resting_until, self._next_beat = reason, now + rest_ns, now

    def _unwilling(self, now: int) -> str:
        """Why this head shall not have the lease, "" if it may."""
        if self._settings.member is Member.WITNESS:
            return "is the witness"
        if self._presence.guards_gone > self._orders.guards:
            return "nothing guards the virtual addresses"
        if now - self._ordered_at > ORDERS_LAST_NS:
            return f"its monitor has said nothing for {ORDERS_LAST_NS // 1_000_000_000} s"
        orders = self._orders
        was_replaced = self._tenures.was_replaced(self._settings.member, orders.settled)
        if orders.waits and was_replaced and not self.is_active(now):
            return WAS_REPLACED
        return orders.unwilling

    def _is_willing(self, now: int) -> bool:
        """Whether it would take the lease if it could: the others need not wait for a deaf head."""
        is_rested = now >= self._resting_until
        return is_rested and bool(self._hearing.words(now)) and not self._unwilling(now)

    def _consider(self, now: int) -> None:
        """Begin to ask if that is wise."""
        own_holder = self._acceptor.holder(now)
        if own_holder or self._hearing.says_taken(now):
            self._free_since = now
        standing = Standing(
            me=self._settings.member,
            unwilling=self._unwilling(now),
            resting_until=self._resting_until,
            quiet_until=self._acceptor.quiet_until,
            own_holder=own_holder,
            words=self._hearing.words(now),
            free_since=self._free_since,
        )
        found = verdict(standing, now)
        if now >= self._resting_until:
            self._reason = found.reason
        if found.asks and self._known() < self._orders.limit:
            self._asking.begin(self._known(), now)
            self._next_beat = now

    def _go_on_asking(self, now: int) -> None:
        """Ask with a higher epoch where one is known; give up for a while without a majority."""
        is_open = self.is_active(now)
        if is_open:
            self._asking.has_succeeded(now)
        elif self._hearing.says_beaten(now):
            self._let_go("asked for the lease, and the other head has it", now)
            return
        elif self._asking.is_in_vain(now):
            rest_ns = BACKOFF_NS[self._settings.member]
            self._let_go("asked for the lease and got no majority", now, rest_ns)
            return
        if self._asking.overtake(self._known(), self._orders.limit, now, is_open=is_open):
            self._next_beat = now

    def _known(self) -> int:
        """The highest epoch that anybody is known to know of."""
        return max(self._asking.holder.known, self._acceptor.promised, self._hearing.highest)

    def _beat(self, now: int) -> None:
        """Say what is due to both peers, and ask the own acceptor."""
        self._next_beat = now + self._beat_ns
        if self._asking.is_on:
            ask = self._asking.holder.ask(now)
            answer = self._asked(self._settings.member, ask, now)
            if answer is not None:
                self._answered(self._settings.member, answer, now)
            for peer in self._hearing.members:
                self._say(peer, Kind.ASK, now, epoch=ask.epoch, stamp=ask.stamp)
            return
        released = self._released.pop() if self._released else None
        for peer in self._hearing.members:
            if released is None:
                self._say(peer, Kind.HELLO, now)
            else:
                self._say(peer, Kind.RELEASE, now, epoch=released)

    def _say(
        self,
        peer: Member,
        kind: Kind,
        now: int,
        *,
        epoch: int = 0,
        stamp: int = 0,
        answer: Answer | None = None,
    ) -> None:
        flags = Flag.ACTIVE if self.is_active(now) else Flag.NONE
        if self._orders.is_fit:
            flags |= Flag.FIT
        if self._orders.is_stopped:
            flags |= Flag.STOPPED
        if self._is_willing(now):
            flags |= Flag.WILLING
        if answer is not None:
            flags |= Flag.GRANTED if answer.is_granted else Flag.NONE
            epoch, stamp = answer.epoch, answer.stamp
        content = Content(
            kind=kind,
            flags=flags,
            epoch=epoch,
            stamp=stamp,
            promised=self._acceptor.promised,
            tenures=(self._tenures.primary, self._tenures.standby),
            holder=self._acceptor.holder(now),
        )
        beat = self._hearing.of(peer).session.say(content)
        self._send(peer, encode(beat, self._settings.key))
