"""A capture that is cut is tried again while that gets further, and its bytes are counted once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from haoscar_pxe.capture.remote.course import ATTEMPTS_MAX, Course, CutShortError, persevere
from haoscar_pxe.capture.remote.ssh import HostKeyError, SshError
from haoscar_pxe.errors import CaptureError


class Counting:
    """A Progress that adds up."""

    def __init__(self) -> None:
        self.total = self.done_bytes = self.done_entries = 0

    def expect(self, total_bytes: int) -> None:
        self.total = total_bytes

    def advance(self, size_bytes: int, entries: int = 1) -> None:
        self.done_bytes += size_bytes
        self.done_entries += entries


class Attempts:
    """Each keeps so many bytes and is cut then; the one after them comes to its end."""

    def __init__(self, course: Course, kept: list[int], error: Exception) -> None:
        self._course = course
        self._kept: Iterator[int] = iter(kept)
        self._error = error
        self.made = 0

    def __call__(self) -> str:
        self.made += 1
        kept = next(self._kept, None)
        if kept is None:
            return "done"
        if kept:
            self._course.advance(kept)
            self._course.kept_bytes += kept
        raise self._error


CUT = CutShortError("the connection ended in the middle")


def test_bytes_are_told_once_however_many_attempts_pass_them() -> None:
    counting = Counting()
    course = Course(counting)
    for reached in (3, 5, 4):
        course.begin()
        course.expect(9)
        for _ in range(reached):
            course.advance(100)
    assert (counting.total, counting.done_bytes, counting.done_entries) == (9, 500, 5)


def test_an_attempt_that_gets_further_begins_the_pauses_anew() -> None:
    course, slept = Course(Counting()), list[float]()
    attempts = Attempts(course, [10, 20, 0, 0, 30], CUT)
    assert persevere(attempts, course, (1.0, 2.0, 3.0), slept.append) == "done"
    assert slept == [1.0, 1.0, 2.0, 3.0, 1.0]


def test_it_is_given_up_when_it_gets_no_further() -> None:
    course, slept = Course(Counting()), list[float]()
    attempts = Attempts(course, [10] + [0] * 9, SshError("gone"))
    with pytest.raises(SshError, match="gone"):
        persevere(attempts, course, (1.0, 2.0), slept.append)
    assert (attempts.made, slept) == (3, [1.0, 2.0])


def test_attempts_are_bounded_even_if_each_gets_further() -> None:
    course = Course(Counting())
    attempts = Attempts(course, [1] * 1000, CUT)
    with pytest.raises(CutShortError):
        persevere(attempts, course, (0.0,), lambda _: None)
    assert attempts.made == ATTEMPTS_MAX


def test_what_never_began_is_not_tried_again() -> None:
    course = Course(Counting())
    attempts = Attempts(course, [0, 0], SshError("no key"))
    with pytest.raises(SshError, match="no key"):
        persevere(attempts, course, (0.0, 0.0), lambda _: None)
    assert attempts.made == 1


@pytest.mark.parametrize("error", [CaptureError("the disk fails"), HostKeyError("another one")])
def test_what_is_no_cut_is_not_tried_again(error: CaptureError) -> None:
    course = Course(Counting())
    attempts = Attempts(course, [10, 20], error)
    with pytest.raises(CaptureError, match=str(error)):
        persevere(attempts, course, (0.0, 0.0), lambda _: None)
    assert attempts.made == 1
