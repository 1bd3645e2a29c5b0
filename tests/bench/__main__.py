"""`./run bench`: measures this program and its peers in one run, and judges the targets."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import click
from rich.console import Console
from rich.table import Table

from tests.bench.many_entries import MANY
from tests.bench.serving.dhcp import measure_dhcp
from tests.bench.serving.http import measure_http
from tests.bench.serving.rates import Rates
from tests.bench.serving.tftp import measure_tftp
from tests.bench.session import PARTS, Session, bench_folder
from tests.bench.targets import OURS, Row, delta_rows, memory_rows, seconds, size_rows, speed_rows
from tests.bench.tools import missing_programs, versions

FOLDER = Path(".work/bench")
SERVING: Final[dict[str, Callable[[Rates, Path, int], None]]] = {
    "tftp": measure_tftp,
    "dhcp": measure_dhcp,
    "http": measure_http,
}
"""The parts about the boot server: they need neither the tree nor its disks."""


@click.command()
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--only", "only", type=click.Choice([*PARTS, "memory", *SERVING]), help="One part of it."
)
@click.option("--rounds", default=3, show_default=True, help="Runs; medians are judged.")
@click.option("--beside/--no-beside", default=True, help="Also peers that no target speaks of.")
@click.option("--folder", type=click.Path(path_type=Path), default=FOLDER, show_default=True)
def bench(
    json_file: Path | None, only: str | None, rounds: int, beside: bool, folder: Path
) -> None:
    """Measure against other programs. Needs root and, but for the boot server, 40 GB on a disk.

    Exit status 0 only if every target holds.
    """
    if os.geteuid() != 0 or (missing := missing_programs()):
        wanted = "root" if os.geteuid() != 0 else ", ".join(missing)
        raise click.ClickException(f"not here: {wanted}")
    with bench_folder(folder.absolute()) as own, Session(own, rounds, beside, _say) as session:
        session.measure(_parts(only))
        rates = _serving(only, own, rounds)
        rows = speed_rows(session.samples) + size_rows(session.sizes)
        rows += delta_rows(session.received) + memory_rows(session.samples, MANY)
        rows += rates.rows
    _print(session, rows)
    if json_file is not None:
        json_file.write_text(json.dumps(_document(session, rates, rows), indent=1) + "\n")
    sys.exit(0 if all(row.holds for row in rows) else 1)


def _serving(only: str | None, folder: Path, rounds: int) -> Rates:
    rates = Rates(_say)
    for part, measure in SERVING.items():
        if only in (None, part):
            with TemporaryDirectory(dir=folder, prefix=part) as own:
                measure(rates, Path(own), rounds)
    return rates


def _parts(only: str | None) -> tuple[str, ...]:
    if only in SERVING:
        return ()
    if only == "memory":
        return ("first", "nothing", "changed", "restore", MANY)
    return PARTS if only is None else (only,)


def _say(line: str) -> None:
    click.echo(line, err=True)


def _print(session: Session, rows: list[Row]) -> None:
    console = Console(width=100)
    judged = Table("part", "what", "ours", "peer", "", "ratio", "target", "")
    for row in rows:
        verdict = "holds" if row.holds else "MISSED"
        figures = (f"{row.ours:.2f}", row.peer_name, f"{row.peer:.2f}", f"{row.ratio:.2f}")
        judged.add_row(row.part, row.what, *figures, row.target, verdict)
    everyone = Table("part", "tool", "median s", "runs", "peak MB", "repository MB")
    for (part, name), runs in session.samples.items():
        size = session.sizes.get(name) if part == "first" else None
        middle = seconds(session.samples, part, name)
        everyone.add_row(
            part,
            name,
            f"{middle:.2f}",
            str(len(runs)),
            f"{max(run.peak_bytes for run in runs) / 1e6:.0f}",
            "" if size is None else f"{size / 1e6:.0f}",
        )
    if everyone.row_count:
        console.print(everyone)
    console.print(judged)


def _document(session: Session, rates: Rates, rows: list[Row]) -> dict[str, object]:
    return {
        "machine": {"processors": os.cpu_count(), "kernel": platform.release()},
        "versions": {OURS: "this checkout", **versions()},
        "tree": asdict(session.tree_size),
        "targets": [{**asdict(row), "ratio": row.ratio, "holds": row.holds} for row in rows],
        "runs": [
            {"part": part, "tool": name, **asdict(run)}
            for (part, name), runs in session.samples.items()
            for run in runs
        ],
        "rates": [
            {"part": part, "what": what, "tool": name, "values": values}
            for (part, what, name), values in rates.samples.items()
        ],
        "repository_bytes": session.sizes,
        "received_bytes": session.received,
    }


if __name__ == "__main__":
    bench()
