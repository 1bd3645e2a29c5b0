"""`haoscar-pxe` on a head: bring a standby to the newest generation, watch, take over.

It runs from the agent bundle (`python3 -m haoscar_pxe.cli.standby`), so it uses nothing that is
not in it: no table, no bar, no configuration file; what the site says comes with the sync order.
"""

from __future__ import annotations

import logging
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Final

import click
import msgspec

from haoscar_pxe.cli.failover_head import failover
from haoscar_pxe.cli.failover_site import CONFIG, HeadSite
from haoscar_pxe.cli.lines import Lines, path_text, size
from haoscar_pxe.cli.monitor import monitor
from haoscar_pxe.cli.standby_plan import plan_document, plan_lines, text_diff
from haoscar_pxe.command import run
from haoscar_pxe.errors import HaoscarError
from haoscar_pxe.image.progress import Progress
from haoscar_pxe.install.sync import journal as journals
from haoscar_pxe.install.sync.record import hold, read_record
from haoscar_pxe.install.sync.running import Done, Prepared, RunningStandby, open_standby
from haoscar_pxe.nodes.order import Step

EXIT_INTERRUPTED: Final = 130
PATIENCE_S: Final = 60


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--config", type=click.Path(dir_okay=False, path_type=Path), default=CONFIG, show_default=True
)
@click.pass_context
def program(context: click.Context, config: Path) -> None:
    """What this head can do for itself; everything else is done on the image server."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    context.obj = HeadSite(config)


program.add_command(monitor)
program.add_command(failover)


@program.command()
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@click.option("--diff", is_flag=True, help="Name every path, and show how text files change.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option("--yes", is_flag=True, help="Do it without asking.")
@click.option("--reboot", is_flag=True, help="Start the machine again afterwards, if it should.")
@click.option("--read-all", is_flag=True, help="Read every file, whatever its times say.")
@click.option("--patience", default=PATIENCE_S, show_default=True, metavar="SECONDS")
def sync(
    dry_run: bool,
    diff: bool,
    as_json: bool,
    yes: bool,
    reboot: bool,
    read_all: bool,
    patience: int,
) -> None:
    """Make this standby the newest generation of its image; its identity stays.

    Until the new files are all there nothing changes. After that a power cut at any moment is
    made good at the next start.
    """
    with open_standby(run, _watched, _on_wait) as standby:
        if not dry_run:
            _finish_what_was_cut_off(standby)
        with standby.prepared(patience, reads_all=read_all) as prepared:
            if as_json and dry_run:
                _print_json(plan_document(prepared))
                return
            if not as_json:
                _show(standby, prepared, diff)
            if dry_run or not _is_wanted(standby, prepared, yes=yes or as_json):
                return
            done = _carry_out(standby, prepared)
        if as_json:
            _print_json({**plan_document(prepared), **_done_document(done)})
        else:
            _say_done(done)
    if reboot and done.reboot:
        run(["systemctl", "reboot"])


@program.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def status(as_json: bool) -> None:
    """Say what this standby is, and whether a sync is half done."""
    root = Path("/")
    record = read_record(root)
    committed = journals.read(root / record.boot_folder)
    age_s = max(0, round(time.time() - record.created_ns / 1e9))
    document = {
        "node": record.node,
        "image": record.image,
        "generation": record.generation,
        "age_s": age_s,
        "server": record.server,
        "half_done": committed.generation if committed else None,
        "held": hold(root),
    }
    if as_json:
        _print_json(document)
        return
    click.echo(f"{record.node} is {record.image} generation {record.generation}")
    click.echo(f"its primary was like this {age_s} s ago")
    if committed:
        click.echo(f"half done: a sync to generation {committed.generation}; 'sync' finishes it")
    if document["held"]:
        click.echo(f"not synced: {document['held']}")


def main() -> None:
    """Run the command line and end the process with its exit status."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        program.main(standalone_mode=False, prog_name="haoscar-pxe")
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo(
            "interrupted; what was committed is finished by the next sync or start", err=True
        )
        sys.exit(EXIT_INTERRUPTED)
    except HaoscarError as error:
        click.echo(f"haoscar-pxe: {error}", err=True)
        if error.hint:
            click.echo(f"  hint: {error.hint}", err=True)
        sys.exit(error.exit_status)


def _finish_what_was_cut_off(standby: RunningStandby) -> None:
    if (committed := standby.unfinished()) is None:
        return
    click.echo(
        f"finishing the sync to generation {committed.generation} that was cut off", err=True
    )
    standby.finish(committed)
    standby.tell(Step.SYNCED, "finished a sync that was cut off", committed.generation)


def _show(standby: RunningStandby, prepared: Prepared, diff: bool) -> None:
    for line in plan_lines(prepared, names_all=diff):
        click.echo(line)
    if diff:
        for line in text_diff(prepared.plan, prepared.goal, standby.standby.root):
            click.echo(line)


def _is_wanted(standby: RunningStandby, prepared: Prepared, *, yes: bool) -> bool:
    """Whether to go on. A tree that is right already may still get a new generation's number."""
    is_same = prepared.order.generation == standby.record.generation
    if prepared.plan.is_nothing and is_same:
        standby.tell(Step.SYNCED, "nothing to do", prepared.order.generation)
        return False
    if not yes:
        click.confirm("Make this machine so?", abort=True)
    return True


def _carry_out(standby: RunningStandby, prepared: Prepared) -> Done:
    generation = prepared.order.generation
    standby.tell(Step.SYNC, f"to generation {generation}: {len(prepared.plan.changes)} changes")
    try:
        done = standby.carry_out(prepared, _say_committed)
    except HaoscarError as error:
        standby.tell(Step.FAILED, f"sync to generation {generation}: {error}")
        raise
    standby.tell(Step.SYNCED, f"is generation {generation}", generation)
    return done


def _say_committed() -> None:
    click.echo("committed: from here on it is finished, now or by the next start", err=True)


def _say_done(done: Done) -> None:
    fetched, own = size(done.committed.fetched_bytes), size(done.committed.own_bytes)
    click.echo(f"done: this is generation {done.committed.journal.generation}")
    click.echo(f"  {fetched} of content came from the server, {own} from this machine's own files")
    for path in done.vanished:
        click.echo(f"  {path_text(path)} was removed meanwhile; the next sync brings it back")
    if done.restart:
        click.echo(f"  still running with replaced files: {', '.join(done.restart)}")
    if done.reboot:
        click.echo(f"  start this machine again: {done.reboot}")


def _done_document(done: Done) -> dict[str, object]:
    return {
        "done": True,
        "fetched_bytes": done.committed.fetched_bytes,
        "own_bytes": done.committed.own_bytes,
        "vanished": [path_text(path) for path in done.vanished],
        "restart": done.restart,
        "reboot": done.reboot,
    }


@contextmanager
def _watched(label: str) -> Iterator[Progress]:
    yield Lines(label)


def _on_wait(reason: str) -> None:
    click.echo(reason, err=True)


def _print_json(value: object) -> None:
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
