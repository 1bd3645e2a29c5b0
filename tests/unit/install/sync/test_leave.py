from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from haoscar_pxe.errors import ConfigError
from haoscar_pxe.image.signing import TrustedKeys
from haoscar_pxe.install.plan import plan
from haoscar_pxe.install.server import Server
from haoscar_pxe.install.sync.journal import Mounted
from haoscar_pxe.install.sync.leave import leave_record
from haoscar_pxe.install.sync.record import (
    NoRecordError,
    hold,
    own_folder,
    read_record,
    trusted_keys,
)
from tests.unit.boot import kernel_tree
from tests.unit.image.tree_reading import KEY
from tests.unit.install.machines import ROOT_UUID, TOTALS, disk, layout, order

TOKEN = "a token of 32 letters"


class BootFiles(Server):
    """The server's boot files without the server."""

    def patiently(self, attempt: Callable[[], bytes], patience_s: float) -> bytes:  # type: ignore[override]
        return b"kernel or initramfs"


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """A tree just laid down, with a standby's record left in it, as an initramfs does."""
    root, bundle = tmp_path / "target", tmp_path / "initramfs"
    for folder in ("boot/grub", "var/lib"):
        (root / folder).mkdir(parents=True)
        os.utime(root / folder, ns=(1, 1))
    for folder in ("bin", "lib/python3.11", "lib/modules/6.1", "lib/firmware"):
        (bundle / folder).mkdir(parents=True)
    (bundle / "bin/python3").write_text("program")
    (bundle / "bin/python3").chmod(0o755)
    (bundle / "bin/sh").symlink_to("busybox")
    (bundle / "lib/python3.11/modules").write_text("a file of that name is no kernel's")
    (bundle / "lib/modules/6.1/ext4.ko").write_text("of the kernel")
    (bundle / "lib/firmware/blob").write_text("of the kernel")
    wanted = order(token=TOKEN)
    made = plan(layout(), TOTALS, [disk()], wanted, "bios")
    leave_record(
        wanted,
        kernel_tree.manifest(release="6.1"),
        b"sealed",
        made,
        BootFiles("http://10.77.0.1:8069", lambda reason: None),
        TrustedKeys.of(KEY.public),
        root,
        grub="grub",
        mac="52:54:00:00:00:20",
        uses_heads_core=True,
        bundle=bundle,
    )
    return root


def test_what_is_left_is_read_back(target: Path) -> None:
    record = read_record(target)
    assert (record.node, record.image, record.generation) == ("standby1", "primary", 3)
    assert record.mounted == (Mounted("/", ROOT_UUID, "ext4"),)
    assert record.server == "http://10.77.0.1:8069"
    assert trusted_keys(target).keys == {KEY.public.key_id: KEY.public}
    assert (target / record.boot_folder / "vmlinuz").read_bytes() == b"kernel or initramfs"
    assert hold(target) == ""


def test_the_token_is_for_nobody_but_root(target: Path) -> None:
    own = own_folder(target)
    assert own.stat().st_mode & 0o777 == 0o700
    assert (target / "boot/grub/haoscar-pxe").stat().st_mode & 0o777 == 0o700
    holding = [path for path in target.rglob("*") if path.is_file() and TOKEN in path.read_text()]
    assert [(path, path.stat().st_mode & 0o777) for path in holding] == [
        (own / "record.json", 0o600)
    ]


def test_the_bundle_is_left_without_what_belongs_to_one_kernel(target: Path) -> None:
    bundle = own_folder(target) / "bundle"
    left = {str(path.relative_to(bundle)) for path in bundle.rglob("*") if not path.is_dir()}
    assert left == {"bin/python3", "lib/python3.11/modules"}
    assert os.access(bundle / "bin/python3", os.X_OK)


def test_the_folders_of_the_image_keep_their_times(target: Path) -> None:
    for folder in ("boot/grub", "var/lib"):
        assert (target / folder).stat().st_mtime_ns == 1


def test_a_hold_is_told_with_its_reason(target: Path) -> None:
    (own_folder(target) / "hold").write_text("took over on Friday\n")
    assert "took over on Friday" in hold(target)


def test_a_machine_without_a_record_is_no_standby(tmp_path: Path) -> None:
    with pytest.raises(NoRecordError, match="no record of a standby"):
        read_record(tmp_path)
    with pytest.raises(ConfigError):
        trusted_keys(tmp_path)
    own_folder(tmp_path).mkdir(parents=True)
    (own_folder(tmp_path) / "record.json").write_text('{"server": 1}')
    with pytest.raises(NoRecordError):
        read_record(tmp_path)
