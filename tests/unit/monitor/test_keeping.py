"""The keepers of a cluster, together, in simulated time."""

from __future__ import annotations

from random import Random

import pytest

from haoscar_pxe.errors import FailoverError
from haoscar_pxe.monitor.keeping import Keeper
from haoscar_pxe.monitor.lease import Member
from tests.lease.broken_keepers import BROKEN
from tests.lease.cluster import MS, Cluster

PRIMARY, STANDBY, WITNESS = Member


@pytest.fixture
def cluster() -> Cluster:
    """Up for a while: the primary is active."""
    made = Cluster()
    made.run(1000)
    assert made.active is PRIMARY
    return made


def test_at_a_cold_start_the_primary_becomes_active_and_stays_it() -> None:
    cluster = Cluster()
    assert 550 <= cluster.run_until(PRIMARY) <= 700
    cluster.run(10_000)
    assert cluster.active is PRIMARY
    assert len(cluster.tenures) == 1
    assert not cluster.faults


def test_the_standby_takes_over_within_a_lease_and_a_beat_of_a_crash(cluster: Cluster) -> None:
    cluster.kill(PRIMARY)
    assert 400 <= cluster.run_until(STANDBY) <= 600
    assert not cluster.faults


@pytest.mark.parametrize("lost", [WITNESS, STANDBY])
def test_the_primary_goes_on_without_any_other_one(cluster: Cluster, lost: Member) -> None:
    cluster.kill(lost)
    cluster.run(20_000)
    assert cluster.active is PRIMARY
    assert len(cluster.tenures) == 1


def test_without_the_two_others_the_primary_falls_silent(cluster: Cluster) -> None:
    cluster.weather.isolate(PRIMARY)
    cluster.run(470)
    assert cluster.active is None
    assert "no majority" in cluster.keepers[PRIMARY].report(cluster.now).ended
    assert cluster.run_until(STANDBY) < 100


def test_the_standby_that_was_cut_off_disturbs_nobody_when_it_is_back(cluster: Cluster) -> None:
    cluster.weather.isolate(STANDBY)
    cluster.run(10_000)
    cluster.weather.cut.clear()
    cluster.run(10_000)
    assert cluster.tenures == cluster.tenures[:1]
    assert cluster.active is PRIMARY


def test_a_frozen_primary_is_replaced_and_stays_silent_when_it_wakes_up(cluster: Cluster) -> None:
    cluster.frozen.add(PRIMARY)
    assert cluster.run_until(STANDBY) <= 600
    cluster.run(20_000)
    cluster.frozen.clear()
    cluster.run(5_000)
    assert cluster.active is STANDBY
    assert not cluster.faults


def test_a_head_that_asks_in_vain_stops_when_it_hears_of_the_other_one(cluster: Cluster) -> None:
    """It woke up, and what waited in its sockets was from before the other one took over."""
    cluster.frozen.add(PRIMARY)
    assert cluster.run_until(STANDBY) > 0
    cluster.frozen.clear()
    cluster.run(300)
    assert cluster.keepers[PRIMARY].report(cluster.now).holder is STANDBY
    assert len(cluster.tenures) == 2


def test_a_planned_move_leaves_less_than_50_ms_without_an_open_door(cluster: Cluster) -> None:
    cluster.unwilling[PRIMARY] = "the administrator moves it"
    cluster._order(PRIMARY)
    assert cluster.active is None
    assert cluster.run_until(STANDBY) <= 50
    cluster.run(5_000)
    assert cluster.active is STANDBY


def test_a_head_that_gave_it_back_takes_it_again_if_nobody_else_does(cluster: Cluster) -> None:
    cluster.unwilling[STANDBY] = "its image is too old"
    cluster.unwilling[PRIMARY] = "the administrator moves it"
    cluster.run(1_000)
    cluster.unwilling[PRIMARY] = ""
    assert 0 <= cluster.run_until(PRIMARY) <= 3_500


def test_what_is_unwilling_never_becomes_active(cluster: Cluster) -> None:
    cluster.unwilling[STANDBY] = "its image is too old"
    cluster._order(STANDBY)
    cluster.kill(PRIMARY)
    assert cluster.run_until(STANDBY, 3_000) == -1
    assert cluster.keepers[STANDBY].report(cluster.now).reason == "its image is too old"


@pytest.mark.parametrize("member", [STANDBY, WITNESS])
def test_a_restarted_member_is_of_use_again(cluster: Cluster, member: Member) -> None:
    """It promises all that it may have granted, so the holder needs a higher epoch for its vote."""
    cluster.start(member)
    cluster.run(5_000)
    assert cluster.active is PRIMARY
    assert not cluster.faults
    cluster.kill(WITNESS if member is STANDBY else STANDBY)
    cluster.run(5_000)
    assert cluster.active is PRIMARY


def test_after_the_restart_of_all_there_is_one_active_head_again(cluster: Cluster) -> None:
    for member in Member:
        cluster.start(member)
    cluster.run(5_000)
    assert cluster.active is PRIMARY
    assert not cluster.faults


def test_after_all_were_down_the_head_with_older_data_does_not_take_over(
    cluster: Cluster,
) -> None:
    """The standby took over from a dead primary; then the power went for all of them."""
    cluster.waits = True
    cluster.kill(PRIMARY)
    assert cluster.run_until(STANDBY) > 0
    cluster.run(2_000)
    cluster.kill(STANDBY)
    cluster.start(WITNESS)
    cluster.start(PRIMARY)
    assert cluster.run_until(PRIMARY, 5_000) == -1
    assert "was replaced" in cluster.keepers[PRIMARY].report(cluster.now).reason
    cluster.start(STANDBY)
    assert 0 <= cluster.run_until(STANDBY) <= 1_500


def test_without_orders_the_lease_is_given_back(cluster: Cluster) -> None:
    """Its monitor is gone or frozen: nobody looks after the services."""
    keeper = cluster.keepers[PRIMARY]
    keeper.tick(cluster.now + 10_100 * MS)
    assert "its monitor has said nothing for 10 s" in keeper.report(cluster.now).reason or (
        not keeper.is_active(cluster.now)
    )


def test_a_guard_that_is_gone_makes_the_head_step_down_at_once(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(_until: int) -> bool:
        raise FailoverError("the guard of the virtual addresses is gone: ENOENT")

    def not_shut() -> None:
        cluster.doors[PRIMARY].until = 0
        gone(0)

    monkeypatch.setattr(cluster.doors[PRIMARY], "open", gone)
    monkeypatch.setattr(cluster.doors[PRIMARY], "shut", not_shut)
    cluster.run(70)
    assert not cluster.keepers[PRIMARY].is_active(cluster.now)
    assert not cluster.doors[PRIMARY].has_face, "its addresses must be gone before another has them"
    assert 0 <= cluster.run_until(STANDBY) <= 100
    report = cluster.keepers[PRIMARY].report(cluster.now)
    assert report.guards_gone == 1
    assert "guard" in report.ended


def test_a_primary_that_hears_nobody_is_not_waited_for(cluster: Cluster) -> None:
    cluster.weather.cut = {(STANDBY, PRIMARY), (WITNESS, PRIMARY)}
    assert cluster.run_until(STANDBY, 1500) > 0
    cluster.run(5_000)
    assert cluster.active is STANDBY


def test_without_guard_and_with_addresses_that_stay_the_lease_is_left_to_run_out(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(_until: int = 0) -> bool:
        raise FailoverError("the guard of the virtual addresses is gone: ENOENT")

    monkeypatch.setattr(cluster.doors[PRIMARY], "open", gone)
    monkeypatch.setattr(cluster.doors[PRIMARY], "shut", gone)
    monkeypatch.setattr(cluster.doors[PRIMARY], "vanish", lambda: False)
    cluster.run(70)
    assert not cluster.keepers[PRIMARY].is_active(cluster.now)
    assert cluster.run_until(STANDBY) > 300


def test_one_way_partitions_end_with_one_active_head(cluster: Cluster) -> None:
    for pair in [(PRIMARY, STANDBY), (PRIMARY, WITNESS), (STANDBY, WITNESS), (WITNESS, PRIMARY)]:
        cluster.weather.cut = {pair}
        cluster.run(5_000)
        assert cluster.active is not None, pair
    assert not cluster.faults


def test_a_flood_of_noise_changes_nothing(cluster: Cluster) -> None:
    random = Random(3)
    keeper = cluster.keepers[PRIMARY]
    for _ in range(2_000):
        keeper.heard(random.randbytes(random.randrange(200)), 0, cluster.now)
    assert keeper.report(cluster.now).undecodable == keeper.undecodable == 2_000
    cluster.run(2_000)
    assert len(cluster.tenures) == 1


def test_a_soak_with_loss_delay_and_copies_moves_nothing(cluster: Cluster) -> None:
    cluster.weather.loss, cluster.weather.repeat, cluster.weather.delay_ms = 0.02, 0.05, 20
    cluster.run(60_000)
    assert len(cluster.tenures) == 1


@pytest.mark.parametrize("seed", range(4))
def test_whatever_happens_the_two_are_never_active_together(seed: int) -> None:
    """Crashes, freezes, partitions, moves and bad weather at random; then all is well again."""
    cluster = Cluster(seed)
    cluster.storm(60)
    cluster.calm()
    cluster.run(8_000)
    assert cluster.active is not None
    assert not cluster.faults
    assert len(cluster.tenures) > 3


@pytest.mark.parametrize("broken", BROKEN)
def test_a_keeper_that_breaks_a_rule_is_caught(broken: type[Keeper]) -> None:
    for seed in range(30):
        cluster = Cluster(seed, keeper=broken)
        for _ in range(12):
            cluster.storm(5)
            if cluster.faults:
                return
    pytest.fail(f"{broken.__name__} was not caught")
