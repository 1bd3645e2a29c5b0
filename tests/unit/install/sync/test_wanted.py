from __future__ import annotations

from haoscar_pxe.image.entry import Directory, Entry, File, HardLink, Metadata, Symlink, sort_key
from haoscar_pxe.install.sync.wanted import Declared, wanted_entries
from haoscar_pxe.nodes.order import IdentityChange

META = Metadata(0o640, 7, 8, 5)
IMAGE: list[Entry] = [
    Directory(b"", META),
    Directory(b"etc", META),
    File(b"etc/hostname", META, 0),
    HardLink(b"etc/other-name", b"etc/hostname"),
    Symlink(b"etc/resolv.conf", META, b"../run/resolv.conf"),
    HardLink(b"etc/third-name", b"etc/hostname"),
]


def wanted(*changes: IdentityChange) -> dict[bytes, Entry]:
    by_path = {entry.path: entry for entry in IMAGE}
    found = list(wanted_entries(IMAGE, Declared.of(changes), by_path.get, 99))
    paths = [entry.path for entry in found]
    assert paths == sorted(paths, key=sort_key)
    return {entry.path: entry for entry in found}


def put(path: bytes, mode: int = 0o644) -> IdentityChange:
    return IdentityChange(path=path, content=b"own\n", mode=mode, reason="")


def test_a_declared_file_keeps_the_images_owner_and_mode() -> None:
    entry = wanted(put(b"etc/hostname"))[b"etc/hostname"]
    assert isinstance(entry, File)
    assert (entry.meta, entry.size_bytes) == (Metadata(0o640, 7, 8, 99), 4)


def test_other_names_of_a_replaced_file_keep_the_images_content_as_at_an_install() -> None:
    found = wanted(put(b"etc/hostname"))
    assert found[b"etc/other-name"] == File(b"etc/other-name", META, 0)
    assert found[b"etc/third-name"] == HardLink(b"etc/third-name", b"etc/other-name")


def test_a_name_of_another_file_gets_a_file_of_its_own() -> None:
    found = wanted(put(b"etc/other-name"))
    assert isinstance(found[b"etc/other-name"], File)
    assert found[b"etc/third-name"] == IMAGE[5]


def test_a_symlink_gives_way_to_a_file_of_roots() -> None:
    entry = wanted(put(b"etc/resolv.conf", 0o600))[b"etc/resolv.conf"]
    assert isinstance(entry, File)
    assert entry.meta == Metadata(0o600, 0, 0, 99)


def test_folders_that_the_image_lacks_are_made_once() -> None:
    found = wanted(put(b"etc/new/a"), put(b"etc/new/b"), put(b"zz/deep/c"))
    assert {path for path, entry in found.items() if isinstance(entry, Directory)} == {
        *(b"", b"etc", b"etc/new", b"zz", b"zz/deep")
    }


def test_a_removed_file_is_gone_and_its_other_names_are_not() -> None:
    found = wanted(IdentityChange(path=b"etc/hostname", content=None, reason=""))
    assert b"etc/hostname" not in found
    assert isinstance(found[b"etc/other-name"], File)


def test_what_is_to_be_removed_and_is_not_there_is_no_matter() -> None:
    assert list(wanted(IdentityChange(path=b"etc/none", content=None, reason=""))) == [
        entry.path for entry in IMAGE
    ]
