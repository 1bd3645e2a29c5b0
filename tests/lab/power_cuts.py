"""`python -m tests.lab.power_cuts`: pull the plug of a syncing standby again and again.

Half of the cuts are spread over everything up to the commit, half over what comes after it. Each
begins with the same disk. After every one the machine is switched on again: it must rest as the new
generation, without one undeclared difference, whether it started as the old one and synced anew,
was finished by what GRUB boots, or had been done already.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from random import Random

import click

from tests.lab.sync_lab import Lab, lab, without_staging

STARTS = "HEAD standby is generation 1"
COMMITTED = "committed"
DONE = "SYNC ended"


@click.command()
@click.option("--cuts", default=20, show_default=True, help="How many.")
@click.option("--seed", default=1, show_default=True, help="Other numbers give other moments.")
def power_cuts(cuts: int, seed: int) -> None:
    """Exit status 0 only if every cut ended as the new generation."""
    dice, counts, lost = Random(seed), Counter[str](), []
    with tempfile.TemporaryDirectory(prefix="haoscar-cuts-") as folder, lab(Path(folder)) as made:
        installed = made.copy_of_disk(Path(folder, "installed"))
        before_s, after_s = _measure(made)
        click.echo(f"undisturbed: committed after {before_s:.1f} s, done {after_s:.1f} s later")
        for number in range(cuts):
            made.put_disk(installed)
            is_late = number % 2 == 1
            after, span_s = (COMMITTED, after_s) if is_late else (STARTS, before_s)
            delay_s = dice.random() * span_s
            made.pull_the_plug(after, delay_s)
            state, wrong = _judge(made, Path(folder, "cut"))
            counts[state] += 1
            lost += [f"{delay_s:.2f} s after '{after}': {each}" for each in wrong]
            click.echo(f"{number + 1}: {delay_s:.2f} s after '{after}': {state}")
    for state, count in counts.items():
        click.echo(f"{count:>5}  {state}")
    for each in lost:
        click.echo(f"  ! {each}")
    click.echo(f"lost: {len(lost)}" if lost else "nothing lost")
    sys.exit(1 if lost else 0)


def _measure(made: Lab) -> tuple[float, float]:
    """Seconds from the start of the system to the commit, and from there to the end."""
    made.machine.power_on()
    made.wait_for(STARTS)
    began_s = time.monotonic()
    before_s = made.seconds_until(COMMITTED, began_s)
    whole_s = made.seconds_until(DONE, began_s)
    made.machine.power_off()
    return before_s, whole_s - before_s


def _judge(made: Lab, cut: Path) -> tuple[str, list[str]]:
    """In which state the cut left the disk, and what is wrong after the next start."""
    cut = made.what_the_cut_left(cut)
    old, new = (without_staging(made.differences(number, cut)) for number in (1, 2))
    said = made.boot_again()
    wrong = [f"after the next start: {each}" for each in made.differences(2)]
    was_finished = "finishing primary generation 2" in said
    if old and new and not was_finished:
        wrong.append("the disk was neither generation, and nothing finished it")
    if was_finished:
        state = "old tree" if not old else "new tree" if not new else "a mixture"
        return f"{state} and a journal: GRUB booted what finishes it", wrong
    return ("old generation, synced anew" if not old else "new generation"), wrong


if __name__ == "__main__":
    power_cuts(prog_name="python -m tests.lab.power_cuts")
