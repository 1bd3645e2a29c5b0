"""`./run faults`: breaks whatever can break, and counts what is lost."""

from __future__ import annotations

import json
import shutil
import sys
import time
from pathlib import Path

import click

from tests.faults.amounts import LONG, SHORT
from tests.faults.campaign import PARTS, run_part
from tests.faults.tally import Tally


@click.command()
@click.option(
    "--long", "is_long", is_flag=True, help="All cases (most of an hour), not a minute's."
)
@click.option("--only", type=click.Choice([*PARTS]), multiple=True, help="These parts alone.")
@click.option("--seed", default=1, show_default=True, help="Other numbers give other cases.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path))
def faults(is_long: bool, only: tuple[str, ...], seed: int, json_file: Path | None) -> None:
    """Break everything that can break, and look whether anything committed was lost.

    Exit status 0 only if nothing was lost. docs/faults.md says what each part does.
    """
    if shutil.which("strace") is None:
        raise click.ClickException("not here: strace; './run faults' installs it")
    tallies = []
    for name in only or PARTS:
        began = time.monotonic()
        tally = run_part(name, seed, LONG if is_long else SHORT)
        tallies.append(tally)
        click.echo("\n".join(tally.lines()))
        click.echo(f"  {time.monotonic() - began:>9.0f}  seconds\n")
    if json_file is not None:
        json_file.write_text(json.dumps([_document(each) for each in tallies], indent=1) + "\n")
    lost = sum(len(tally.lost) for tally in tallies)
    click.echo(f"lost: {lost}" if lost else "nothing lost")
    sys.exit(1 if lost else 0)


def _document(tally: Tally) -> dict[str, object]:
    return {"part": tally.part, "counts": dict(tally.counts), "lost": tally.lost}


if __name__ == "__main__":
    faults(prog_name="./run faults")
