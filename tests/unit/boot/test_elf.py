"""ELF files: read as the loader reads them, refused when damaged, usable after the symbols went."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import blake3
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from haoscar_pxe.boot.elf import (
    ElfError,
    Linkage,
    is_elf,
    linkage,
    section,
    without_symbols,
)
from tests.unit.boot.elf_files import module

PYTHON = Path(sys.executable).resolve()
EXTENSION = next(Path(blake3.__file__).parent.glob("*.so"))


def test_the_interpreter_needs_libc_and_a_loader() -> None:
    found = linkage(PYTHON.read_bytes())
    assert "libc.so.6" in found.needed
    assert os.path.exists(found.interpreter)


def test_a_shared_library_names_no_loader_of_its_own() -> None:
    found = linkage(EXTENSION.read_bytes())
    assert found.interpreter == ""
    assert "libc.so.6" in found.needed


def test_a_section_is_found_by_its_name() -> None:
    body = module(b"license=GPL\0firmware=acme/nic.bin\0")
    assert section(body, b".modinfo") == b"license=GPL\0firmware=acme/nic.bin\0"
    assert section(body, b".text") == b""


def test_an_extension_module_works_without_its_symbols(tmp_path: Path) -> None:
    whole = EXTENSION.read_bytes()
    stripped = without_symbols(whole)
    assert len(stripped) < len(whole)
    (tmp_path / EXTENSION.name).write_bytes(stripped)
    hashed = subprocess.run(
        [sys.executable, "-c", "import blake3; print(blake3.blake3(b'x').hexdigest())"],
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert hashed.stdout.strip() == blake3.blake3(b"x").hexdigest()


def test_linkage_is_the_same_without_symbols() -> None:
    whole = PYTHON.read_bytes()
    assert linkage(without_symbols(whole)) == linkage(whole)


def test_nothing_is_left_off_twice() -> None:
    once = without_symbols(EXTENSION.read_bytes())
    assert without_symbols(once) == once


def test_a_kernel_module_is_left_whole() -> None:
    assert without_symbols(module(b"license=GPL\0")) == module(b"license=GPL\0")


@pytest.mark.parametrize("data", [b"", b"#!/bin/sh\n", b"\x7fELF\x01\x01" + bytes(100)])
def test_what_is_no_64_bit_elf_file_is_refused(data: bytes) -> None:
    assert not is_elf(data)
    with pytest.raises(ElfError):
        linkage(data)


@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for body in (data, b"\x7fELF\x02\x01" + data):
        try:
            assert isinstance(linkage(body), Linkage)
            section(body, b".modinfo")
            without_symbols(body)
        except ElfError:
            continue


@given(at=st.integers(0, 500), value=st.integers(0, 255))
@example(at=47, value=128)
def test_a_flipped_byte_is_read_or_refused(at: int, value: int) -> None:
    body = bytearray(module(b"license=GPL\0" * 20))
    body[at % len(body)] = value
    try:
        section(bytes(body), b".modinfo")
    except ElfError:
        return
