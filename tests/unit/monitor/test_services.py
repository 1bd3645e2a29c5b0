"""Services of the active head, as real programs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from haoscar_pxe.config_failover import ActiveService
from haoscar_pxe.monitor.history import History
from haoscar_pxe.monitor.services import Services


class Site:
    """Three services that write down when they are started and stopped."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.history = History(folder, "primary", ())
        self.may_write = False
        self.services = Services(
            [self.service("files"), self.service("database", writes=True), self.service("web")],
            self.history,
            lambda: self.may_write,
        )

    def service(self, name: str, *, writes: bool = False, start: str = "exit 0") -> ActiveService:
        """One that says so in the file `said`."""
        said = f"echo {{}} {name} >> {self.folder}/said"
        return ActiveService(
            name=name,
            start=("sh", "-c", f"{said.format('start')}; {start}"),
            stop=("sh", "-c", said.format("stop")),
            writes_shared_data=writes,
            timeout_s=5,
        )

    def said(self) -> list[str]:
        """What was started and stopped, in order; forgotten afterwards."""
        path = self.folder / "said"
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return lines


@asynccontextmanager
async def kept(site: Site) -> AsyncIterator[Services]:
    """The services of the site, after what may have run before was stopped."""
    keeping = asyncio.create_task(site.services.keep())
    try:
        await site.services.settled()
        yield site.services
    finally:
        keeping.cancel()
        with suppress(asyncio.CancelledError):
            await keeping


async def test_whatever_ran_before_is_stopped_first_and_until_then_data_is_not_safe(
    tmp_path: Path,
) -> None:
    site = Site(tmp_path)
    assert not site.services.is_stopped
    async with kept(site) as services:
        assert services.is_stopped
        assert site.said() == ["stop web", "stop database", "stop files"]


async def test_services_start_in_order_and_stop_against_it(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.may_write = True
    async with kept(site) as services:
        site.said()
        services.want(network=True, writing=True)
        await services.settled()
        assert site.said() == ["start files", "start database", "start web"]
        assert not services.is_stopped
        services.want(network=False, writing=False)
        await services.settled()
        assert site.said() == ["stop web", "stop database", "stop files"]
        assert services.is_stopped


async def test_what_writes_shared_data_waits_until_it_may(tmp_path: Path) -> None:
    site = Site(tmp_path)
    async with kept(site) as services:
        site.said()
        services.want(network=True, writing=True)
        await services.settled()
        assert services.running == ("files", "web")
        assert services.waiting == ("database",)
        site.may_write = True
        services.look_again()
        await services.settled()
        assert len(services.running) == 3


async def test_it_is_not_safe_to_write_elsewhere_from_the_moment_on_in_which_it_is_wanted_here(
    tmp_path: Path,
) -> None:
    """It may be started at any moment from then on; the other head must not hear the old word."""
    site = Site(tmp_path)
    async with kept(site) as services:
        said = [services.is_stopped]
        services.want(network=True, writing=True)
        said.append(services.is_stopped)
        services.want(network=False, writing=False)
        await services.settled()
        assert [*said, services.is_stopped] == [True, False, True]


async def test_only_what_writes_is_stopped_before_a_planned_move(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.may_write = True
    async with kept(site) as services:
        services.want(network=True, writing=True)
        await services.settled()
        site.said()
        services.want(network=True, writing=False)
        await services.settled()
        assert site.said() == ["stop database"]


async def test_a_start_that_fails_is_an_alert_and_the_next_one_is_started(tmp_path: Path) -> None:
    site = Site(tmp_path)
    broken = site.service("broken", start="echo no >&2; exit 3")
    services = Services([broken, site.service("web")], site.history, lambda: True)
    site.services = services
    async with kept(site):
        services.want(network=True, writing=True)
        await services.settled()
        assert services.running == ("web",)
        assert services.waiting == ("broken",)
    (event,) = site.history.events()
    assert (event.what, event.level) == ("cannot start broken", "alert")
    assert "exit status 3" in event.reason
