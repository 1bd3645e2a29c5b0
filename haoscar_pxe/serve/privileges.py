"""Giving up what only opening the sockets needed: capabilities(7), capset(2), prctl(2).

What is kept is the right to read and write files whoever owns them, where the process has it: the
image repository and the keys are made by root's commands. Replies need nothing: sockets are bound,
and an open raw socket sends without CAP_NET_RAW. Each thread has capabilities of its own, so this
is done before others are started, and they inherit what is left.
"""

from __future__ import annotations

import ctypes
import logging
import os
from typing import Final

log = logging.getLogger(__name__)

CAP_DAC_OVERRIDE: Final = 1  # linux/capability.h
CAP_DAC_READ_SEARCH: Final = 2
KEPT: Final = 1 << CAP_DAC_OVERRIDE | 1 << CAP_DAC_READ_SEARCH
VERSION_3: Final = 0x20080522  # _LINUX_CAPABILITY_VERSION_3: two words of 32 capabilities
PR_SET_NO_NEW_PRIVS: Final = 38  # linux/prctl.h


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Words(ctypes.Structure):
    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


def give_up_privileges(kept: int = KEPT) -> None:
    """Keep only these capabilities of this thread's, and let no program that it runs have more.

    kept: bits by number. Ambient capabilities go with the inheritable ones. A kernel or sandbox
    that refuses is told in the log: the server then has what it was started with.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    header, words = _Header(VERSION_3, 0), (_Words * 2)()
    if libc.capget(ctypes.byref(header), words) != 0:
        _refused("capget")
        return
    for number, word in enumerate(words):
        word.permitted &= kept >> 32 * number
        word.effective = word.permitted
        word.inheritable = 0
    if libc.capset(ctypes.byref(header), words) != 0:
        _refused("capset")
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        _refused("prctl")


def _refused(call: str) -> None:
    log.warning("capabilities are not given up: %s: %s", call, os.strerror(ctypes.get_errno()))
