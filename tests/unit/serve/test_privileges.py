"""What is given up is gone for the thread that gives it up and for what it starts."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

from haoscar_pxe.serve.privileges import KEPT, give_up_privileges


def field(name: str) -> int:
    """Of this thread's status, e.g. CapEff."""
    status = Path(f"/proc/self/task/{threading.get_native_id()}/status").read_text()
    line = next(each for each in status.splitlines() if each.startswith(f"{name}:"))
    return int(line.split()[1], 16)


def test_a_thread_keeps_only_what_it_is_to_keep_and_its_children_too() -> None:
    before = field("CapPrm")
    seen: dict[str, int] = {}
    child: list[int] = []

    def give_up() -> None:
        give_up_privileges()
        seen.update({name: field(name) for name in ("CapPrm", "CapEff", "CapInh", "CapAmb")})
        seen["NoNewPrivs"] = field("NoNewPrivs")
        code = (
            "print([x for x in open('/proc/self/status') if x.startswith('CapPrm')][0].split()[1])"
        )
        said = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True)
        child.append(int(said.stdout, 16))

    thread = threading.Thread(target=give_up)
    thread.start()
    thread.join()
    kept = before & KEPT
    ambient = {"CapInh": 0, "CapAmb": 0}
    assert seen == {"CapPrm": kept, "CapEff": kept, **ambient, "NoNewPrivs": 1}
    assert child[0] & ~kept == 0
    assert field("CapPrm") == before, "this thread has what it had"


def test_what_was_not_there_is_not_gained() -> None:
    seen: list[int] = []

    def twice() -> None:
        give_up_privileges(kept=0)
        give_up_privileges()
        seen.append(field("CapPrm"))

    thread = threading.Thread(target=twice)
    thread.start()
    thread.join()
    assert seen == [0]
