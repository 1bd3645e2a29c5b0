"""A service that is looked after, with real programs and a check that says what the test wants."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from haoscar_pxe.config_failover import ActiveService, ServiceCheck
from haoscar_pxe.errors import FailoverError
from haoscar_pxe.monitor.health import Result
from haoscar_pxe.monitor.history import History
from haoscar_pxe.monitor.services import Services
from haoscar_pxe.monitor.watching import Watcher

CHECK = ServiceCheck("web", unit="web", every_s=0.01, failures=2, restarts=1)


class Scene:
    """A head with one service. result: of each look. moved: the reasons of moves."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.history = History(folder, "primary", ())
        said = f"{folder}/said"
        web = ActiveService(
            "web",
            start=("sh", "-c", f"echo start >> {said}"),
            stop=("sh", "-c", f"echo stop >> {said}"),
        )
        self.services = Services([web], self.history, lambda: True)
        self.result = Result.WELL
        self.looks = 0
        self.moved: list[str] = []
        self.refuses_move = False

    def look(self, _check: ServiceCheck) -> tuple[Result, str]:
        self.looks += 1
        return self.result, "so it was seen"

    async def move(self, reason: str) -> str:
        if self.refuses_move:
            raise FailoverError("nothing is moved: the other head is not heard")
        self.moved.append(reason)
        return ""

    def said(self) -> list[str]:
        return (self.folder / "said").read_text().split()

    def events(self) -> list[str]:
        return [event.what for event in self.history.events()]


@asynccontextmanager
async def watched(scene: Scene, move_every_s: float = 3600) -> AsyncIterator[None]:
    watcher = Watcher(scene.services, scene.history, scene.look, scene.move, move_every_s)
    tasks = [
        asyncio.create_task(scene.services.keep()),
        asyncio.create_task(watcher.keep([CHECK])),
    ]
    await scene.services.settled()
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def until(scene: Scene, event: str) -> None:
    async with asyncio.timeout(10):
        while event not in scene.events():
            await asyncio.sleep(0.01)


async def test_what_does_not_run_here_is_not_looked_at(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    async with watched(scene):
        await asyncio.sleep(0.1)
        assert scene.looks == 0


async def test_a_failing_service_is_started_again_and_then_moved(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    async with watched(scene):
        scene.services.want(network=True, writing=True)
        await scene.services.settled()
        scene.result = Result.FAILED
        await until(scene, "web is failed")
        assert scene.said() == ["stop", "start", "stop", "start"]
        async with asyncio.timeout(10):
            while not scene.moved:
                await asyncio.sleep(0.01)
        assert scene.moved == ["web does not work here: so it was seen"]


async def test_a_move_that_is_refused_is_told_and_nothing_breaks(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.refuses_move = True
    async with watched(scene):
        scene.services.want(network=True, writing=True)
        await scene.services.settled()
        scene.result = Result.FAILED
        await until(scene, "not moved")
        scene.result = Result.WELL
        looks = scene.looks
        async with asyncio.timeout(10):
            while scene.looks < looks + 3:
                await asyncio.sleep(0.01)


async def test_it_is_not_moved_again_and_again(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    async with watched(scene):
        scene.services.want(network=True, writing=True)
        await scene.services.settled()
        scene.result = Result.FAILED
        async with asyncio.timeout(10):
            while not scene.moved:
                await asyncio.sleep(0.01)
        scene.result = Result.WELL
        await asyncio.sleep(0.1)
        scene.result = Result.FAILED
        await until(scene, "not moved")
        assert len(scene.moved) == 1
