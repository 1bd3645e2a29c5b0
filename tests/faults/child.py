"""Work in a forked child, so that it can be killed, traced or starved without harming the campaign.

A fork costs a millisecond where a new interpreter costs half a second, so thousands of cases are
affordable, and a trace begins with the work and not with Python's imports.
"""

from __future__ import annotations

import ctypes
import os
import resource
import select
import signal
import subprocess
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, NoReturn, TypeAlias

from haoscar_pxe.errors import HaoscarError

REFUSED_STATUS: Final = 1
UNEXPECTED_STATUS: Final = 2
PR_SET_PDEATHSIG: Final = 1  # linux/prctl.h
ATTACH_S: Final = 20.0
TOO_LONG_S: Final = 60.0

Ending: TypeAlias = Literal["done", "refused", "unexpected", "killed", "too long"]
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(slots=True)
class Child:
    """A forked child that is running, or stopped before its work when it was made so."""

    pid: int
    words: Path

    def kill(self) -> None:
        """SIGKILL, which no process can answer to."""
        os.kill(self.pid, signal.SIGKILL)

    def wait(self, timeout_s: float = TOO_LONG_S) -> Ending:
        """How it ended; after timeout_s it is killed."""
        fd = os.pidfd_open(self.pid)
        try:
            ended = select.select([fd], [], [], timeout_s)[0]
            if not ended:
                self.kill()
            code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        finally:
            os.close(fd)
        if not ended:
            return "too long"
        return _ending(code)

    def last_words(self) -> str:
        """The error that ended it, in one line, or a traceback."""
        return self.words.read_text() if self.words.exists() else ""


def forked(work: Callable[[], None], words: Path, *, stopped: bool = False) -> Child:
    """Start work in a child. words: a file for its error. stopped: it waits for SIGCONT."""
    words.unlink(missing_ok=True)
    pid = os.fork()
    if pid:
        if stopped:
            os.waitpid(pid, os.WUNTRACED)
        return Child(pid, words)
    _live_as_child(work, words, stopped)


def under_limits(
    work: Callable[[], None], *, extra_memory_bytes: int = 0, file_bytes: int = 0
) -> Callable[[], None]:
    """The work with less memory (beyond what the process has now) or smaller files."""

    def limited() -> None:
        if extra_memory_bytes:
            pages = int(Path("/proc/self/statm").read_text().split()[0])
            most = pages * resource.getpagesize() + extra_memory_bytes
            resource.setrlimit(resource.RLIMIT_AS, (most, most))
        if file_bytes:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))
        work()

    return limited


def traced(work: Callable[[], None], words: Path, options: Sequence[str]) -> Ending:
    """Run work under strace with these options, from its first system call to its end."""
    child = forked(work, words, stopped=True)
    argv = ["strace", "-f", "-qq", "-p", str(child.pid), *options]
    strace = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        _wait_until_traced(child.pid, strace)
        os.kill(child.pid, signal.SIGCONT)
        return child.wait()
    finally:
        if strace.poll() is None:
            try:
                strace.wait(10)
            except subprocess.TimeoutExpired:
                strace.kill()
        strace.communicate()


def _live_as_child(work: Callable[[], None], words: Path, stopped: bool) -> NoReturn:
    status = UNEXPECTED_STATUS
    try:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if stopped:
            os.kill(os.getpid(), signal.SIGSTOP)
        work()
        status = 0
    except HaoscarError as error:
        status = REFUSED_STATUS
        words.write_text(f"{type(error).__name__}: {error}")
    except BaseException:
        words.write_text(traceback.format_exc())
    finally:
        os._exit(status)


def _ending(code: int) -> Ending:
    if code < 0:
        return "killed"
    if code == 0:
        return "done"
    return "refused" if code == REFUSED_STATUS else "unexpected"


def _wait_until_traced(pid: int, strace: subprocess.Popen[bytes]) -> None:
    """Until strace has seized the stopped child; seized, it is reported with every system call."""
    deadline = time.monotonic() + ATTACH_S
    while time.monotonic() < deadline and strace.poll() is None:
        status = Path(f"/proc/{pid}/status").read_text()
        if f"TracerPid:\t{strace.pid}" in status and "(tracing stop)" in status:
            return
        time.sleep(0.002)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    said = strace.communicate()[1].decode(errors="replace")
    raise RuntimeError(f"strace could not trace: {said}")
