"""The agent bundle: runs anywhere with its own loader, and is built once for the same files."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from haoscar_pxe.boot.bundle import Bundle, build_bundle, bundle_files
from haoscar_pxe.boot.bundle_contents import PYTHON_FOLDER, Source, bundle_contents
from haoscar_pxe.errors import BootError, MissingToolError

IMPORT_ALL = """
import importlib, pkgutil, sys
for room in ("image", "capture", "install", "monitor", "wire"):
    package = importlib.import_module(f"haoscar_pxe.{room}")
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        importlib.import_module(module.name)
import blake3, msgspec, pyfastcdc, zstandard
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
Ed25519PrivateKey.generate().sign(b"x")
outside = [m for m in map(lambda m: getattr(m, "__file__", None), sys.modules.values())
           if m and m.startswith("/") and not m.startswith(sys.argv[1])]
print(outside)
"""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return build_bundle(tmp_path_factory.mktemp("cache"))


def python(folder: Path, code: str, *arguments: str) -> str:
    """Run code by the bundle's own loader and interpreter, with nothing of this machine's set."""
    loader = next(folder.glob("lib/ld*.so*"))
    argv = [str(loader), "--library-path", str(folder / "lib"), str(folder / "bin/python3")]
    done = subprocess.run(
        [*argv, "-I", "-S", "-c", code, *arguments],
        env={},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_it_imports_all_that_a_node_runs_from_itself_alone(bundle: Bundle) -> None:
    assert python(bundle.folder, IMPORT_ALL, str(bundle.folder)) == "[]"


def test_it_runs_from_any_folder(bundle: Bundle, tmp_path: Path) -> None:
    moved = tmp_path / "some where else"
    shutil.copytree(bundle.folder, moved)
    assert python(moved, "import sys, msgspec; print(sys.prefix)") == str(moved)


def test_its_programs_start_with_its_own_libraries(bundle: Bundle) -> None:
    loader = next(bundle.folder.glob("lib/ld*.so*"))
    for program in ("sfdisk", "mkswap", "blkid", "lsblk"):
        argv = [str(loader), "--library-path", str(bundle.folder / "lib")]
        argv += [str(bundle.folder / "bin" / program), "--version"]
        done = subprocess.run(argv, env={}, capture_output=True, check=True)
        assert b"util-linux" in done.stdout


def test_it_holds_compiled_modules_only(bundle: Bundle) -> None:
    names = [name for name, _ in bundle_files(bundle)]
    assert f"{PYTHON_FOLDER}/haoscar_pxe/install/agent.pyc" in names
    assert not [name for name in names if name.endswith(".py") or "__pycache__" in name]


def test_what_no_node_needs_is_left_out(bundle: Bundle) -> None:
    names = " ".join(name for name, _ in bundle_files(bundle))
    for unwanted in ("/test/", "tkinter", "idlelib", "ensurepip", "_ssl", "/serve/", "/cli/main"):
        assert unwanted not in names


def test_it_is_small(bundle: Bundle) -> None:
    size_bytes = sum(path.stat().st_size for _, path in bundle_files(bundle))
    assert size_bytes < 60 << 20


def test_programs_may_be_run_and_modules_not(bundle: Bundle) -> None:
    modes = {name: path.stat().st_mode & 0o777 for name, path in bundle_files(bundle)}
    assert modes["init"] == modes["bin/python3"] == modes["bin/busybox"] == 0o755
    assert modes[f"{PYTHON_FOLDER}/os.pyc"] == 0o644


def test_it_is_not_built_again_while_its_files_are_the_same(tmp_path: Path) -> None:
    sources = few_sources(tmp_path)
    first = build_bundle(tmp_path / "cache", sources)
    made_ns = (first.folder / "lib/x.pyc").stat().st_mtime_ns
    assert build_bundle(tmp_path / "cache", sources) == first
    assert (first.folder / "lib/x.pyc").stat().st_mtime_ns == made_ns


def test_a_changed_file_makes_another_bundle_and_keeps_the_old_one(tmp_path: Path) -> None:
    sources = few_sources(tmp_path)
    first = build_bundle(tmp_path / "cache", sources)
    sources[0].path.write_text("answer = 43\n")
    second = build_bundle(tmp_path / "cache", sources)
    assert second.id != first.id
    assert first.folder.is_dir()
    assert second.folder.is_dir()


def test_the_id_does_not_depend_on_where_the_files_lie(tmp_path: Path) -> None:
    ids = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        ids.append(build_bundle(tmp_path / name / "cache", few_sources(tmp_path / name)).id)
    assert ids[0] == ids[1]


def test_a_file_that_changes_while_it_is_taken_makes_no_bundle(tmp_path: Path) -> None:
    class Changing(Source):
        """A file of which the content is another each time it is asked for."""

        @property
        def is_program(self) -> bool:
            self.path.write_text(self.path.read_text() + "#")
            return False

    (tmp_path / "init").write_text("#!/bin/busybox sh\n")
    with pytest.raises(BootError, match="changed while the agent bundle was made"):
        build_bundle(tmp_path / "cache", [Changing("init", tmp_path / "init")])
    assert len(list((tmp_path / "cache").glob("[0-9a-f]*"))) == 0


def test_code_that_does_not_compile_is_named(tmp_path: Path) -> None:
    sources = few_sources(tmp_path)
    sources[0].path.write_text("answer = = 42\n")
    with pytest.raises(BootError, match=r"x\.py cannot be compiled"):
        build_bundle(tmp_path / "cache", sources)


def test_a_busybox_that_needs_libraries_is_refused(tmp_path: Path) -> None:
    sources = [Source("bin/busybox", Path(sys.executable).resolve())]
    with pytest.raises(MissingToolError, match="not statically linked") as caught:
        build_bundle(tmp_path, sources)
    assert caught.value.hint == "apt install busybox-static"


def test_every_target_is_named_once() -> None:
    targets = [source.target for source in bundle_contents()]
    assert len(targets) == len(set(targets))


def few_sources(folder: Path) -> list[Source]:
    code = folder / "x.py"
    code.write_text("answer = 42\n")
    return [Source("lib/x.py", code)]
