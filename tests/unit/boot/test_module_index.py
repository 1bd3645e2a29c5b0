"""depmod's files: lines as Debian's and Rocky's kernels have them."""

from __future__ import annotations

import pytest

from haoscar_pxe.boot.module_index import parse_index
from haoscar_pxe.errors import BootError

DEPENDENCIES = b"""\
kernel/lib/libcrc32c.ko.xz:
kernel/crypto/crc32c_generic.ko.xz:
kernel/drivers/scsi/scsi_mod.ko.xz: kernel/drivers/scsi/scsi_common.ko.xz
kernel/drivers/scsi/scsi_common.ko.xz:
kernel/drivers/ata/libata.ko.xz: kernel/drivers/scsi/scsi_mod.ko.xz
kernel/drivers/platform/dell-smo8800.ko.xz:
"""
ALIASES = b"""\
# Aliases extracted from modules themselves.
alias crypto-crc32c crc32c_generic
alias dmi*:rn*Name With Spaces:* dell_smo8800
alias pci:v00008086d00002922sv*sd*bc*sc*i* ahci
"""
SOFTDEPS = b"# Soft dependencies\nsoftdep libcrc32c pre: crypto-crc32c\nsoftdep cifs gcm ccm\n"
INDEX = parse_index(DEPENDENCIES, ALIASES, SOFTDEPS)

LIBCRC32C = "kernel/lib/libcrc32c.ko.xz"
CRC32C = "kernel/crypto/crc32c_generic.ko.xz"
LIBATA = "kernel/drivers/ata/libata.ko.xz"


def test_a_softdep_may_name_an_alias() -> None:
    assert INDEX.before(LIBCRC32C) == [CRC32C]


def test_softdeps_without_pre_or_post_come_before() -> None:
    assert INDEX.softdeps["cifs"] == (("gcm", "ccm"), ())


def test_the_closure_holds_dependencies_of_dependencies_and_softdeps() -> None:
    assert INDEX.closure([LIBATA]) == {
        LIBATA,
        "kernel/drivers/scsi/scsi_mod.ko.xz",
        "kernel/drivers/scsi/scsi_common.ko.xz",
    }
    assert INDEX.closure([LIBCRC32C]) == {LIBCRC32C, CRC32C}


def test_dash_and_underscore_are_the_same_in_names() -> None:
    assert INDEX.paths_of("dell_smo8800") == INDEX.paths_of("dell-smo8800") != []


def test_a_pattern_may_hold_spaces() -> None:
    assert INDEX.paths_of("dmi:bvn1:rn1Name With Spaces:x") == [
        "kernel/drivers/platform/dell-smo8800.ko.xz"
    ]


def test_a_name_that_nothing_has_leads_nowhere() -> None:
    assert INDEX.paths_of("nothing") == []
    assert INDEX.paths_of("pci:v00008086d00002922sv1sd1bc1sc1i1") == []


def test_two_modules_that_want_each_other_are_a_finite_closure() -> None:
    index = parse_index(b"a.ko: b.ko\nb.ko: a.ko\n", b"", b"softdep a post: b\n")
    assert index.closure(["a.ko"]) == {"a.ko", "b.ko"}


def test_a_damaged_modules_dep_is_refused_with_its_line() -> None:
    with pytest.raises(BootError, match="at the line 'no colon here'"):
        parse_index(b"a.ko:\nno colon here\n", b"", b"")
