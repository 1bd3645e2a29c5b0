from __future__ import annotations

from pathlib import Path

import pytest

from haoscar_pxe.install.sync.barrier import sync_only
from haoscar_pxe.install.sync.carry_out import Standby
from haoscar_pxe.install.sync.finisher_ready import make_ready, why_not_ready
from haoscar_pxe.install.sync.journal import Mounted
from haoscar_pxe.nodes.order import IdentityChange

HOOK = b"### BEGIN haoscar-pxe: a test ###\nboot\n### END haoscar-pxe ###\n"
IDENTITY = (IdentityChange(path=b"boot/grub/grub.cfg", content=HOOK + b"new menu\n", reason=""),)


@pytest.fixture
def standby(tmp_path: Path) -> Standby:
    folder = tmp_path / "boot/grub/haoscar-pxe"
    folder.mkdir(parents=True)
    for name in ("vmlinuz", "initramfs"):
        (folder / name).write_text("content")
    return Standby(tmp_path, (Mounted("/", "uuid", "ext4"),), folder, sync_only)


def test_a_menu_that_was_made_anew_gets_the_hook_back_before_a_commit(standby: Standby) -> None:
    menu = standby.root / "boot/grub/grub.cfg"
    menu.write_bytes(b"made by update-grub\n")
    menu.chmod(0o444)
    assert make_ready(standby, IDENTITY)
    assert menu.read_bytes() == HOOK + b"made by update-grub\n"
    assert menu.stat().st_mode & 0o777 == 0o444
    assert not make_ready(standby, IDENTITY)


def test_an_old_hook_gives_way_to_the_present_one(standby: Standby) -> None:
    menu = standby.root / "boot/grub/grub.cfg"
    menu.write_bytes(HOOK.replace(b"boot", b"another") + b"menu\n")
    assert make_ready(standby, IDENTITY)
    assert menu.read_bytes() == HOOK + b"menu\n"


@pytest.mark.parametrize("name", ["vmlinuz", "initramfs"])
def test_no_sync_begins_without_what_would_finish_it(standby: Standby, name: str) -> None:
    assert why_not_ready(standby, IDENTITY) == ""
    (standby.boot_folder / name).write_bytes(b"")
    assert name in why_not_ready(standby, IDENTITY)


def test_no_sync_begins_without_a_hook_in_the_menu(standby: Standby) -> None:
    assert "GRUB menu" in why_not_ready(standby, ())
