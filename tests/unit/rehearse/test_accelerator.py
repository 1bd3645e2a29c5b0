"""The accelerator is found out once a boot of this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from haoscar_pxe.errors import MissingToolError
from haoscar_pxe.rehearse.accelerator import BOOT_ID, KVM, QEMU, TCG, accelerator

NO_KERNEL = Path("/nonexistent/vmlinuz")


@pytest.fixture(autouse=True)
def qemu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program of QEMU's name, which nothing here starts."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / QEMU).symlink_to("/bin/true")
    monkeypatch.setenv("PATH", str(folder))
    return folder / QEMU


@pytest.mark.parametrize("known", [KVM, TCG])
def test_the_answer_is_kept_while_the_machine_runs(tmp_path: Path, known: str) -> None:
    (tmp_path / "accelerator").write_text(f"{BOOT_ID.read_text().strip()} {known}")
    assert accelerator(NO_KERNEL, tmp_path) == known


@pytest.mark.parametrize("record", ["another-boot kvm", "kvm", "", "another-boot nonsense"])
def test_an_answer_of_another_boot_is_not_believed(
    tmp_path: Path, record: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("haoscar_pxe.rehearse.accelerator.boots", lambda *_: False)
    (tmp_path / "accelerator").write_text(record)
    assert accelerator(NO_KERNEL, tmp_path) == TCG
    assert (tmp_path / "accelerator").read_text().endswith(f" {TCG}")


def test_a_machine_without_qemu_is_told_what_to_install(tmp_path: Path, qemu: Path) -> None:
    qemu.unlink()
    with pytest.raises(MissingToolError) as caught:
        accelerator(NO_KERNEL, tmp_path)
    assert "qemu-system-x86" in caught.value.hint
