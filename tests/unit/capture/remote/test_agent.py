"""The agent as a process: it ends properly, whoever ends it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from haoscar_pxe.capture.hooks import Hooks
from haoscar_pxe.capture.remote.channel import Channel
from haoscar_pxe.capture.remote.messages import Failed, FromHead, Lacking, Request
from haoscar_pxe.capture.snapshot.sight import Wish
from tests.unit.capture.sealing import SEALING


@dataclass
class Agent:
    """A running agent and the server's end of its pipes."""

    process: subprocess.Popen[bytes]
    channel: Channel[FromHead]

    def close(self) -> None:
        """As a connection that broke."""
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Agent]:
    argv = [sys.executable, "-m", "haoscar_pxe.capture", str(tmp_path / "no-bundle")]
    pipe = subprocess.PIPE
    with (tmp_path / "stderr").open("wb") as errors:
        process = subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=errors)
    assert process.stdin is not None
    assert process.stdout is not None
    started = Agent(process, Channel(process.stdout.fileno(), process.stdin.fileno(), FromHead))
    yield started
    started.close()
    process.kill()
    process.wait()


def request(root: Path, *before: tuple[str, ...]) -> Request:
    after = ("mkdir", str(root.parent / "after"))
    return Request(
        root=os.fsencode(root),
        image="primary",
        never=(),
        sealing_key=SEALING.key.raw,
        rules=SEALING.rules,
        layout=None,
        live=False,
        hooks=Hooks(before, (after,)),
        wish=Wish(),
    )


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "tree").mkdir()
    return tmp_path / "tree"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_an_agent_that_is_told_to_end_runs_after_hooks(
    agent: Agent, tree: Path, number: signal.Signals
) -> None:
    began = tree.parent / "began"
    agent.channel.await_greeting()
    agent.channel.send(request(tree, ("mkdir", str(began)), ("sleep", "600")))
    wait_for(began)
    agent.process.send_signal(number)
    assert agent.process.wait(20) != 0
    assert (tree.parent / "after").is_dir()


def test_an_agent_whose_server_went_away_ends_and_runs_after_hooks(
    agent: Agent, tree: Path
) -> None:
    agent.channel.await_greeting()
    agent.channel.send(request(tree))
    agent.channel.receive()
    agent.close()
    assert agent.process.wait(20) == 10
    assert (tree.parent / "after").is_dir()
    assert b"connection" in (tree.parent / "stderr").read_bytes()


def test_a_name_that_is_no_utf_8_is_told_of(agent: Agent, tree: Path) -> None:
    agent.channel.await_greeting()
    agent.channel.send(request(Path(os.fsdecode(os.fsencode(tree) + b"\xff"))))
    answer = agent.channel.receive()
    assert isinstance(answer, Failed)
    assert "\\udcff cannot be captured" in answer.message


def test_a_server_that_begins_with_an_answer_is_refused(agent: Agent) -> None:
    agent.channel.await_greeting()
    agent.channel.send(Lacking(()))
    answer = agent.channel.receive()
    assert isinstance(answer, Failed)
    assert "began with an answer" in answer.message
    assert agent.process.wait(20) == 0
