"""The shape of the code: what STYLE asks of files and errors, checked."""

from __future__ import annotations

import re
from pathlib import Path

import haoscar_pxe
from haoscar_pxe import errors

PACKAGE = Path(haoscar_pxe.__file__).parent
FILES = sorted(path for path in PACKAGE.rglob("*.py"))
MOST_LINES = 400
NO_CONCEPT = re.compile(r"(utils?|helpers?|common|misc|base|manager)(\.py)?")


def error_classes() -> list[type[errors.HaoscarError]]:
    return [each for each in vars(errors).values() if isinstance(each, type)]


def test_no_file_has_grown_past_one_concept() -> None:
    long = {
        str(path): n for path in FILES if (n := len(path.read_text().splitlines())) > MOST_LINES
    }
    assert not long


def test_no_room_or_file_is_without_a_name_of_its_own() -> None:
    parts = {part for path in FILES for part in path.relative_to(PACKAGE).parts}
    assert not [part for part in parts if NO_CONCEPT.fullmatch(part)]


def test_every_module_says_what_it_is() -> None:
    silent = [str(path) for path in FILES if not path.read_text().startswith(('"""', 'r"""'))]
    assert not silent


def test_no_room_has_logic_in_its_init() -> None:
    for path in PACKAGE.rglob("__init__.py"):
        code = re.sub(r'""".*?"""', "", path.read_text(), flags=re.DOTALL)
        lines = [line for line in code.splitlines() if line and not line.startswith("__version__")]
        assert not lines, path


def test_only_the_command_line_prints() -> None:
    wordy = [
        str(path)
        for path in FILES
        if "cli" not in path.parts and re.search(r"^\s*(print|sys\.exit)\(", path.read_text(), re.M)
    ]
    assert not wordy


def test_every_error_class_has_an_exit_status_of_its_own() -> None:
    statuses = [each.exit_status for each in error_classes()]
    assert len(statuses) == len(set(statuses))
    assert min(statuses) >= 10


def test_the_documented_exit_statuses_are_those_of_the_code() -> None:
    text = (PACKAGE.parent / "docs" / "exit-status.md").read_text()
    documented = {int(number): name for number, name in re.findall(r"\| (\d+) \| `(\w+)`", text)}
    assert documented == {each.exit_status: each.__name__ for each in error_classes()}
