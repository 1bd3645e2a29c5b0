"""The initramfs: what other people's tools find in it, and the same bytes for the same inputs."""

from __future__ import annotations

import subprocess
import zlib
from pathlib import Path

import pytest
import zstandard

from haoscar_pxe.boot.bundle import Bundle, build_bundle
from haoscar_pxe.boot.bundle_contents import Source
from haoscar_pxe.boot.cpio import Member, file
from haoscar_pxe.boot.initramfs import bundle_members, kernel_members, packed, write_packed
from haoscar_pxe.boot.kernel import Compression
from haoscar_pxe.boot.modules import KernelFiles
from haoscar_pxe.image.signing import SigningKey, TrustedKeys

KERNEL_FILES = KernelFiles({"modules.dep": b"a.ko:\n", "a.ko": b"module"}, {b"acme/nic": b"fw"})


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    """A bundle of two files, which is enough to see where they go."""
    (tmp_path / "program").write_bytes(b"\0" * 5000)
    (tmp_path / "init").write_text("#!/bin/busybox sh\n")
    sources = [Source("bin/tool", tmp_path / "program"), Source("init", tmp_path / "init")]
    return build_bundle(tmp_path / "cache", sources)


def named(members: list[Member]) -> dict[bytes, Member]:
    return {member.path: member for member in members}


def test_the_first_process_and_programs_may_be_run(bundle: Bundle) -> None:
    members = named(bundle_members(bundle))
    assert members[b"init"].mode & 0o777 == 0o755
    assert members[b"bin/tool"].mode & 0o777 == 0o755


def test_a_console_is_there_before_anything_is_mounted(bundle: Bundle) -> None:
    console = named(bundle_members(bundle))[b"dev/console"]
    assert (console.mode, console.device) == (0o020600, (5, 1))


def test_loaders_of_other_distributions_find_the_libraries(bundle: Bundle) -> None:
    members = named(bundle_members(bundle))
    assert members[b"lib64"].content == b"lib"
    assert members[b"usr"].content == b"."


def test_modules_firmware_and_trusted_keys_lie_where_they_are_looked_for() -> None:
    keys = [SigningKey.generate().public for _ in range(2)]
    members = named(kernel_members("6.1.0", KERNEL_FILES, TrustedKeys.of(*keys)))
    assert members[b"lib/modules/6.1.0/a.ko"].content == b"module"
    assert members[b"lib/firmware/acme/nic"].content == b"fw"
    found = {m.content.decode().strip() for p, m in members.items() if p.endswith(b".pub")}
    assert found == {key.encode() for key in keys}


def test_the_node_reads_the_keys_back(tmp_path: Path) -> None:
    trusted = TrustedKeys.of(*(SigningKey.generate().public for _ in range(3)))
    members = named(kernel_members("6.1.0", KERNEL_FILES, trusted))
    for path, member in members.items():
        if path.startswith(b"etc/haoscar/trusted/"):
            (tmp_path / Path(path.decode()).name).write_bytes(member.content)
    assert TrustedKeys.from_folder(tmp_path) == trusted


def unpacked(data: bytes, compression: Compression) -> bytes:
    if compression == "gzip":
        return zlib.decompress(data, wbits=31)
    return zstandard.ZstdDecompressor().decompressobj().decompress(data)


@pytest.mark.parametrize("compression", ["zstd", "gzip"])
def test_busybox_lists_the_packed_archive(bundle: Bundle, compression: Compression) -> None:
    data = b"".join(packed(bundle_members(bundle), compression))
    listed = subprocess.run(
        ["busybox", "cpio", "-t"],
        input=unpacked(data, compression),
        capture_output=True,
        check=True,
        timeout=60,
    ).stdout.splitlines()
    assert {b"init", b"bin/tool", b"dev/console"} <= set(listed)


@pytest.mark.parametrize("compression", ["zstd", "gzip"])
def test_the_same_members_give_the_same_bytes(bundle: Bundle, compression: Compression) -> None:
    once = b"".join(packed(bundle_members(bundle), compression))
    assert once == b"".join(packed(bundle_members(bundle), compression))


def test_an_existing_file_is_never_written_over(tmp_path: Path) -> None:
    (tmp_path / "there").write_bytes(b"served to somebody right now")
    with pytest.raises(FileExistsError):
        write_packed([file(b"a", b"b")], "zstd", tmp_path / "there")
