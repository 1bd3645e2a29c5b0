"""Keepers that break one rule each: the simulated cluster must notice every one of them.

What the lease itself may get wrong is broken in `mutants.py`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from haoscar_pxe.monitor.acceptor import Acceptor
from haoscar_pxe.monitor.entrance import Entrance
from haoscar_pxe.monitor.holder import Holder
from haoscar_pxe.monitor.keeping import Keeper
from haoscar_pxe.monitor.lease import Answer, Ask, Member
from haoscar_pxe.monitor.presence import Presence
from haoscar_pxe.monitor.reports import Settings
from haoscar_pxe.wire.heartbeat import Content

LONG_NS: Final = 600_000_000


class ShutsNothing(Presence):
    """It believes that its door is shut and its addresses are gone."""

    def end(self) -> bool:
        self.open_until = 0
        return True


class ReleasesBeforeItShuts(Keeper):
    """It says that it gave the lease back while its door is open."""

    def __init__(
        self, settings: Settings, entrance: Entrance | None, *words: Any, **named: Any
    ) -> None:
        super().__init__(settings, entrance, *words, **named)
        self._presence = ShutsNothing(entrance)


class IsNotSilentAfterItsStart(Keeper):
    """It forgets that it may have granted the lease just before."""

    def __init__(self, *words: Any, **named: Any) -> None:
        super().__init__(*words, **named)
        self._acceptor = Acceptor(promised=self._acceptor.promised)


class ForgetsWhatItPromised(Keeper):
    """Its epochs begin anew with each start."""

    def __init__(self, *words: Any, **named: Any) -> None:
        super().__init__(*words, **named)
        self._acceptor = replace(self._acceptor, promised=0)
        self._asking.holder = Holder()

    def _known(self) -> int:
        return self._asking.holder.known


class OpensForTooLong(Keeper):
    """It believes that the lease lasts longer than those who granted it do."""

    def _open(self, now: int) -> None:
        holder = self._asking.holder
        self._asking.holder = replace(holder, door_until=holder.door_until + LONG_NS)
        super()._open(now)


class OpensWithItsOwnVoteAlone(Keeper):
    """It takes its own acceptor's word for a majority."""

    def _answered(self, acceptor: Member, answer: Answer, now: int) -> None:
        super()._answered(acceptor, answer, now)
        if acceptor is self._settings.member:
            other = next(peer for peer in Member if peer is not acceptor)
            super()._answered(other, answer, now)


class GrantsToWhoeverAsks(Keeper):
    """Its acceptor does not look whether the other head has the lease."""

    def _asked(self, asker: Member, ask: Ask, now: int) -> Answer | None:
        self._acceptor = replace(self._acceptor, grant=None, promised=0)
        return super()._asked(asker, ask, now)


class TakesRefusalsForGrants(Keeper):
    """It does not look at what an answer says."""

    def _answered(self, acceptor: Member, answer: Answer, now: int) -> None:
        super()._answered(acceptor, replace(answer, is_granted=True), now)


class ReleasesForOthers(Keeper):
    """It takes any heartbeat of a head for a release of whatever that head has."""

    def _obey(self, peer: Member, content: Content, now: int) -> None:
        super()._obey(peer, content, now)
        grant = self._acceptor.grant
        if grant is not None:
            self._acceptor = replace(self._acceptor, grant=replace(grant, until=0))


BROKEN: Final[tuple[type[Keeper], ...]] = (
    ReleasesBeforeItShuts,
    IsNotSilentAfterItsStart,
    ForgetsWhatItPromised,
    OpensForTooLong,
    OpensWithItsOwnVoteAlone,
    GrantsToWhoeverAsks,
    TakesRefusalsForGrants,
    ReleasesForOthers,
)
