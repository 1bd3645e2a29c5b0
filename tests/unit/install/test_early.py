"""The kernel command line and the wait for disks, in the first minutes on the machine."""

from __future__ import annotations

import subprocess
from ipaddress import IPv4Interface
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haoscar_pxe.errors import InstallError
from haoscar_pxe.install.early import (
    QUIET_S,
    BootParameters,
    boot_parameters,
    consoles,
    disk_names,
    read_boot_parameters,
    wait_for_disks,
    wait_until,
)
from tests.unit.install.stepped_clock import SteppedClock

GOOD = {
    "haoscar.server": "http://10.77.0.1:8080",
    "haoscar.mac": "52:54:00:AB:cd:ef",
    "haoscar.address": "10.77.0.20/24",
}


def line(**changes: str | None) -> str:
    """A good command line, with some parameters changed or (None) left out."""
    wanted = GOOD | {f"haoscar.{name}": value for name, value in changes.items()}
    words = [f"{name}={value}" for name, value in wanted.items() if value is not None]
    return " ".join(["console=ttyS0,115200", *words, "quiet\n"])


def test_the_parameters_the_boot_server_renders_are_read() -> None:
    assert boot_parameters(line(gateway="10.77.0.1", shell="1")) == BootParameters(
        server="http://10.77.0.1:8080",
        mac="52:54:00:ab:cd:ef",
        address=IPv4Interface("10.77.0.20/24"),
        gateway="10.77.0.1",
        shell=True,
    )


@pytest.mark.parametrize("shell", [None, "", "0", "no"])
def test_a_shell_is_not_allowed_unless_it_is_said(shell: str | None) -> None:
    assert not boot_parameters(line(shell=shell)).shell


def test_the_other_server_is_optional_and_an_address() -> None:
    assert boot_parameters(line()).twin == ""
    assert boot_parameters(line(twin="http://10.77.0.2:8069/")).twin == "http://10.77.0.2:8069"
    with pytest.raises(InstallError, match=r"haoscar\.twin"):
        boot_parameters(line(twin="10.77.0.2"))


def test_no_gateway_is_none_given() -> None:
    assert boot_parameters(line(gateway="")).gateway == boot_parameters(line()).gateway == ""


def test_the_last_of_two_counts_as_for_the_kernel() -> None:
    assert boot_parameters(line() + " haoscar.server=http://10.0.0.9").server == "http://10.0.0.9"


def test_a_slash_at_the_servers_end_is_dropped() -> None:
    assert boot_parameters(line(server="http://10.0.0.9:80/")).server == "http://10.0.0.9:80"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("server", None),
        ("server", "10.77.0.1"),
        ("server", "https://10.77.0.1"),
        ("server", "http://"),
        ("server", "http://10.77.0.1:99999"),
        ("mac", None),
        ("mac", "52:54:00:12:34"),
        ("mac", "52:54:00:12:34:zz"),
        ("mac", "52-54-00-12-34-56"),
        ("address", None),
        ("address", "10.77.0.20"),
        ("address", "10.77.0.20/33"),
        ("address", "fd00::1/64"),
        ("gateway", "10.77.0.1/24"),
        ("gateway", "router"),
    ],
)
def test_a_wrong_parameter_is_named(name: str, value: str | None) -> None:
    with pytest.raises(InstallError, match=rf"haoscar\.{name}: ") as caught:
        boot_parameters(line(**{name: value}))
    assert "boot explain" in caught.value.hint


def test_all_that_is_wrong_is_named_at_once() -> None:
    with pytest.raises(InstallError) as caught:
        boot_parameters("quiet haoscar.address=nowhere")
    for name in ("server: is missing", "mac: is missing", "address: 'nowhere' is no IPv4"):
        assert f"haoscar.{name}" in str(caught.value)


@given(st.text())
def test_any_command_line_is_read_or_refused(text: str) -> None:
    for words in (text, line() + text, "haoscar." + text):
        try:
            assert isinstance(boot_parameters(words), BootParameters)
        except InstallError:
            continue


def test_the_command_line_is_read_from_its_file(tmp_path: Path) -> None:
    (tmp_path / "cmdline").write_bytes(b"\xff " + line().encode())
    assert read_boot_parameters(tmp_path / "cmdline").mac == "52:54:00:ab:cd:ef"


def disk(sysfs: Path, name: str, sectors: int = 2048) -> Path:
    size = sysfs / "block" / name / "size"
    size.parent.mkdir(parents=True)
    size.write_text(f"{sectors}\n")
    return size


def machine(tmp_path: Path, *, scsi_host: bool) -> Path:
    """A machine without disks so far, whose drivers have been loaded long ago."""
    sysfs = tmp_path / "sys"
    (sysfs / "block").mkdir(parents=True)
    (tmp_path / "dev").mkdir()
    (tmp_path / "settled").touch()
    if scsi_host:
        (sysfs / "class/scsi_host/host0").mkdir(parents=True)
    return sysfs


def waited(tmp_path: Path, clock: SteppedClock) -> tuple[str, ...]:
    return wait_for_disks(
        clock=clock,
        sysfs=tmp_path / "sys",
        dev=tmp_path / "dev",
        settled=tmp_path / "settled",
        timeout_s=30,
    )


def now_of(path: Path) -> float:
    return path.stat().st_ctime


def test_pseudo_disks_and_empty_drives_are_no_disks(tmp_path: Path) -> None:
    for name in ("loop0", "ram0", "sr0", "dm-0", "md127", "zram0", "fd0", "nbd0"):
        disk(tmp_path, name)
    disk(tmp_path, "sdb", sectors=0)
    for name in ("vda", "nvme0n1", "sda"):
        disk(tmp_path, name)
    assert disk_names(tmp_path / "block") == ("nvme0n1", "sda", "vda")


def test_a_virtio_disk_is_not_waited_for_longer_than_it_takes(tmp_path: Path) -> None:
    disk(machine(tmp_path, scsi_host=False), "vda")
    clock = SteppedClock()
    assert waited(tmp_path, clock) == ("vda",)
    assert clock.now == 1000.0


def test_a_machine_that_was_quiet_for_long_is_not_waited_for(tmp_path: Path) -> None:
    disk(machine(tmp_path, scsi_host=True), "sda")
    (tmp_path / "dev/sda").touch()
    clock = SteppedClock(now=now_of(tmp_path / "dev/sda") + QUIET_S)
    before = clock.now
    assert waited(tmp_path, clock) == ("sda",)
    assert clock.now == before


def test_a_scsi_bus_is_given_time_to_find_its_second_disk(tmp_path: Path) -> None:
    sysfs = machine(tmp_path, scsi_host=True)
    disk(sysfs, "sda")
    (tmp_path / "dev/sda").touch()
    start = now_of(tmp_path / "dev/sda")
    clock = SteppedClock(start, {start + QUIET_S / 2: [sysfs / "block/sdb/size"]})
    assert waited(tmp_path, clock) == ("sda", "sdb")
    assert clock.now - start >= QUIET_S


def test_a_machine_without_disks_is_not_waited_for_forever(tmp_path: Path) -> None:
    machine(tmp_path, scsi_host=True)
    clock = SteppedClock(now_of(tmp_path / "settled"))
    start = clock.now
    assert waited(tmp_path, clock) == ()
    assert 30 <= clock.now - start < 31


def test_drivers_that_are_still_being_loaded_are_waited_for(tmp_path: Path) -> None:
    disk(machine(tmp_path, scsi_host=False), "vda")
    (tmp_path / "settled").unlink()
    clock = SteppedClock(then={1005.0: [tmp_path / "settled"]})
    assert waited(tmp_path, clock) == ("vda",)
    assert clock.now >= 1005


def test_a_condition_that_never_holds_ends_the_wait() -> None:
    clock = SteppedClock()
    assert not wait_until(lambda: False, 3.0, clock)
    assert 1003 <= clock.now < 1004


def test_every_terminal_of_the_kernel_is_a_console(tmp_path: Path) -> None:
    (tmp_path / "active").write_text("tty0 ttyS0\n")
    assert consoles(tmp_path / "active") == (Path("/dev/tty0"), Path("/dev/ttyS0"))
    assert consoles(tmp_path / "missing") == ()


def test_the_first_process_is_a_script_that_busybox_understands() -> None:
    init = Path(__file__).parents[3] / "haoscar_pxe/install/init"
    subprocess.run(["busybox", "sh", "-n", str(init)], check=True, timeout=60)
