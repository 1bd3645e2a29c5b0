"""Three hosts that watch each other, through the command line of each, as an administrator does."""

from __future__ import annotations

import json
import re
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from haoscar_pxe.command import Finished
from haoscar_pxe.errors import CommandError, FailoverError
from tests.faults.three_hosts import MEMBERS, VIRTUAL, VIRTUAL6, Ground, three_hosts

pytestmark = pytest.mark.wire

SERVICES = """
fence_primary = ["sh", "-c", "echo primary $HAOSCAR_PXE_EPOCH >> {folder}/fenced"]
fence_standby = ["sh", "-c", "echo standby $HAOSCAR_PXE_EPOCH >> {folder}/fenced"]
rejoin = "manual"
[[failover.service]]
name = "web"
start = ["sh", "-c", "echo start web >> said"]
stop = ["sh", "-c", "echo stop web >> said"]
[[failover.service]]
name = "database"
start = ["sh", "-c", "echo start database >> said"]
stop = ["sh", "-c", "echo stop database >> said"]
writes_shared_data = true
[[failover.check]]
service = "web"
exec = ["sh", "-c", "test ! -e broken"]
every_s = 0.2
failures = 2
restarts = 1
"""

BY_ITSELF = """
rejoin = "automatic"
rejoin_limit = 1
failback = "automatic"
failback_after_s = 1
"""


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    """The primary is active, all three are well."""
    with three_hosts(tmp_path / "hosts", SERVICES.format(folder=tmp_path)) as made:
        assert made.wait_well() == "primary", made.logs()
        yield made


def command(ground: Ground, host: str, *words: str) -> Finished:
    """Type a command on a host. Raises CommandError."""
    config = str(ground.hosts[host].config)
    argv = [sys.executable, "-m", "haoscar_pxe.cli", "--config", config, "failover", *words]
    return ground.hosts[host].namespace.run(*argv)


def refused(ground: Ground, host: str, *words: str) -> str:
    """Type a command that must fail with the exit status of failovers; what it says."""
    with pytest.raises(CommandError) as caught:
        command(ground, host, *words)
    assert caught.value.status == 80
    return caught.value.last_words


def said(ground: Ground, host: str) -> list[str]:
    """What the services of a host were told, in order."""
    path = ground.hosts[host].folder / "said"
    return path.read_text().splitlines() if path.exists() else []


def test_status_says_who_is_active_and_what_would_happen(ground: Ground) -> None:
    for host in MEMBERS:
        text = command(ground, host, "status").text
        assert re.search(r"the primary is active, since 20..-..-.. ..:..:.. \(epoch 1\)", text)
        assert "if the active head died now: the standby would take over" in text
    document = json.loads(command(ground, "witness", "status", "--json").text)
    assert document["active"] == "primary"
    assert all(peer["heard_ms"] and min(peer["heard_ms"]) >= 0 for peer in document["peers"])


def test_both_addresses_are_on_the_active_head_alone(ground: Ground) -> None:
    for name in ("primary", "standby"):
        there = ground.hosts[name].namespace.run("ip", "address", "show", "dev", "eth0").text
        has = [f"{address}/" in there for address in (VIRTUAL, VIRTUAL6)]
        assert has == [name == "primary"] * 2


def test_a_planned_move_stops_what_writes_before_and_starts_it_on_the_other_head_without_a_fence(
    ground: Ground, tmp_path: Path
) -> None:
    wait_for(ground, "primary", ["web", "database"])
    command(ground, "primary", "switchover", "--reason", "new memory")
    wait_for(ground, "standby", ["web", "database"])
    told = said(ground, "primary")
    assert told.index("stop database", 2) < told.index("stop web", 2)
    assert not (tmp_path / "fenced").exists()
    events = command(ground, "primary", "events").text
    assert "switchover: new memory" in events
    assert "the primary would not take over" in refused(ground, "witness", "status")


def test_after_a_death_the_other_head_fences_before_it_starts_what_writes(
    ground: Ground, tmp_path: Path
) -> None:
    ground.hosts["primary"].die()
    assert ground.wait_active("standby")
    wait_for(ground, "standby", ["web", "database"])
    assert (tmp_path / "fenced").read_text().split()[0] == "primary"
    assert int((tmp_path / "fenced").read_text().split()[1]) > 1
    assert said(ground, "standby")[2:] == ["start web", "start database"]


def test_a_primary_that_was_replaced_waits_until_the_administrator_settled_it(
    ground: Ground,
) -> None:
    ground.hosts["primary"].die()
    assert ground.wait_active("standby")
    ground.hosts["primary"].reboot()
    wait_replaced(ground)
    text = refused(ground, "primary", "status")
    assert "the primary would not take over: was replaced by the other head" in text
    assert "not the active one" in refused(ground, "primary", "switchover")
    assert "does not want the lease" in refused(ground, "standby", "switchover")
    command(ground, "primary", "rejoin")
    assert ground.wait_well() == "standby"
    command(ground, "standby", "switchover")
    assert ground.wait_active("primary")


def test_after_a_power_cut_of_all_the_head_with_older_data_stays_passive(ground: Ground) -> None:
    """The standby took over and wrote; then everything lost its power, and the primary is back."""
    ground.hosts["primary"].die()
    assert ground.wait_active("standby")
    wait_remembered(ground)
    ground.hosts["standby"].die()
    ground.hosts["witness"].die()
    ground.hosts["witness"].reboot()
    ground.hosts["primary"].reboot()
    assert not ground.wait_active("primary", within_s=4)
    assert "'haoscar-pxe failover rejoin'" in refused(ground, "primary", "status")
    assert "was replaced by the other head" in ground.hosts["primary"].standing()["unwilling"]
    ground.hosts["standby"].reboot()
    assert ground.wait_active("standby")


def test_the_primary_gets_it_back_by_itself_but_not_again_and_again(tmp_path: Path) -> None:
    with three_hosts(tmp_path / "hosts", BY_ITSELF) as ground:
        assert ground.wait_well() == "primary", ground.logs()
        ground.hosts["primary"].die()
        assert ground.wait_active("standby")
        ground.hosts["primary"].reboot()
        assert ground.wait_active("primary", within_s=15), ground.logs()
        assert "switchover: failback: the primary" in command(ground, "standby", "events").text
        assert "flapping: came back by itself as often" in command(ground, "primary", "events").text
        ground.hosts["primary"].die()
        assert ground.wait_active("standby")
        ground.hosts["primary"].reboot()
        wait_replaced(ground)
        assert not ground.wait_active("primary", within_s=3)
        text = refused(ground, "primary", "status")
        assert "came back by itself 1 time of late; 'haoscar-pxe failover rejoin'" in text
        ground.hosts["standby"].die()
        assert not ground.wait_active("primary", within_s=5), "it may be a stall"
        assert ground.wait_active("primary", within_s=15), "somebody must serve"
        ground.hosts["standby"].reboot()
        assert not ground.wait_well(within_s=5), "the standby came back by itself before"
        command(ground, "standby", "rejoin")
        assert ground.wait_well() == "primary", ground.logs()


def test_a_head_in_maintenance_takes_nothing(ground: Ground) -> None:
    command(ground, "standby", "maintenance", "on", "--reason", "a new disk")
    wait_unwilling(ground)
    assert "in maintenance: a new disk" in refused(ground, "standby", "status")
    assert "this head is active" in refused(ground, "primary", "maintenance", "on")
    ground.hosts["primary"].die()
    time.sleep(1.5)
    assert ground.active() == ""
    assert "nobody is active" in refused(ground, "witness", "status")
    command(ground, "standby", "maintenance", "off")
    assert ground.wait_active("standby")


def test_without_the_witness_status_warns_before_it_matters(ground: Ground) -> None:
    ground.hosts["witness"].die()
    time.sleep(1)
    text = refused(ground, "primary", "status")
    assert "nobody would take over: the witness is not heard" in text


def test_a_member_with_another_key_is_not_heard_and_status_asks_about_the_key(
    ground: Ground,
) -> None:
    standby = ground.hosts["standby"]
    standby.die()
    (standby.folder / "cluster.key").write_text("a5" * 32 + "\n")
    standby.reboot()
    time.sleep(3)
    assert ground.active() == "primary"
    assert "the standby is not heard" in refused(ground, "primary", "status")
    assert ground.hosts["primary"].standing()["undecodable"] > 10


def test_a_stopped_monitor_hands_over_at_once_and_leaves_nothing_running(ground: Ground) -> None:
    wait_for(ground, "primary", ["web", "database"])
    primary = ground.hosts["primary"]
    assert primary.process is not None
    primary.process.send_signal(signal.SIGTERM)
    assert ground.wait_active("standby", within_s=3)
    assert primary.process.wait(10) == 0
    assert said(ground, "primary")[-2:] == ["stop database", "stop web"]
    assert primary.pids() == []
    assert VIRTUAL not in primary.namespace.run("ip", "address", "show").text


def test_nothing_moves_while_something_that_writes_does_not_stop(tmp_path: Path) -> None:
    stubborn = SERVICES.format(folder=tmp_path).replace(
        'stop = ["sh", "-c", "echo stop database >> said"]',
        'stop = ["sh", "-c", "test ! -e stubborn"]\ntimeout_s = 1',
    )
    with three_hosts(tmp_path / "hosts", stubborn) as ground:
        assert ground.wait_well() == "primary", ground.logs()
        wait_for(ground, "primary", ["web", "database"])
        (ground.hosts["primary"].folder / "stubborn").touch()
        text = refused(ground, "primary", "switchover")
        assert "nothing is moved: database did not stop" in text
        assert ground.active() == "primary"
        assert "cannot stop database" in command(ground, "primary", "events").text
        (ground.hosts["primary"].folder / "stubborn").unlink()
        command(ground, "primary", "switchover")
        assert ground.wait_active("standby")


def test_a_service_that_restarts_do_not_help_moves_to_the_other_head(ground: Ground) -> None:
    wait_for(ground, "primary", ["web", "database"])
    (ground.hosts["primary"].folder / "broken").touch()
    assert ground.wait_active("standby", within_s=10)
    events = command(ground, "primary", "events").text
    order = ["restart of web: sh: exit status 1", "web is failed", "switchover: web does not work"]
    places = [events.index(each) for each in order]
    assert places == sorted(places)
    wait_for(ground, "standby", ["web", "database"])


def test_a_second_monitor_on_a_machine_is_refused(ground: Ground) -> None:
    host = ground.hosts["primary"]
    argv = [sys.executable, "-m", "haoscar_pxe.cli", "--config", str(host.config), "monitor"]
    with pytest.raises(CommandError, match="a monitor runs already"):
        host.namespace.run(*argv)
    assert ground.active() == "primary"


def wait_for(ground: Ground, host: str, running: list[str]) -> None:
    """Until the host's monitor says that these services run there."""
    until = time.monotonic() + 15
    found: dict[str, Any] = {}
    while time.monotonic() < until:
        found = ground.hosts[host].standing()
        if sorted(found["running"]) == sorted(running):
            return
        time.sleep(0.05)
    pytest.fail(f"{host} runs {found['running']}, not {running}\n{ground.logs()}")


def wait_remembered(ground: Ground) -> None:
    """Until the witness has written down that the standby was active."""
    past = ground.hosts["witness"].folder / "state/past.json"
    until = time.monotonic() + 5
    while time.monotonic() < until:
        if past.exists() and json.loads(past.read_bytes())["tenures"]["standby"]:
            return
        time.sleep(0.05)
    pytest.fail("the witness does not remember the standby's tenure")


def wait_unwilling(ground: Ground) -> None:
    """Until the primary has heard that the standby does not want the lease."""
    until = time.monotonic() + 5
    while time.monotonic() < until:
        if not ground.hosts["primary"].standing()["peers"][0]["is_willing"]:
            return
        time.sleep(0.05)
    pytest.fail("the standby is willing still")


def wait_replaced(ground: Ground) -> None:
    """Until both heads know what became of the primary."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        with suppress(FailoverError):
            returned = ground.hosts["primary"].standing()
            of_primary = ground.hosts["standby"].standing()["peers"][0]
            if returned["was_replaced"] and of_primary["is_fresh"]:
                return
        time.sleep(0.05)
    pytest.fail(f"the primary does not know that it was replaced\n{ground.logs()}")
