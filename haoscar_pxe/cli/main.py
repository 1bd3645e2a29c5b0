"""The command `haoscar-pxe`: one file for each command, errors of one line and a hint.

Exit status: 0 done, 1 a defect of ours, 2 wrong usage (click), 10 and more as in `errors.py`.
"""

from __future__ import annotations

import gc
import logging
import signal
import sys
from pathlib import Path
from types import FrameType

import click

from haoscar_pxe import __version__
from haoscar_pxe.cli.late import LateGroup
from haoscar_pxe.cli.site import Site
from haoscar_pxe.errors import HaoscarError

EXIT_INTERRUPTED = 130
GARBAGE_EVERY = 100_000
"""New values before cycles among them are looked for: a capture makes millions and no cycle, and
the search was a tenth of its time."""
LOG_FORMAT = "%(message)s"
DEBUG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class _Program(LateGroup):
    late = (
        "init",
        "capture",
        "image",
        "key",
        "mirror",
        "administrator",
        "sync",
        "node",
        "boot",
        "serve",
        "monitor",
        "failover",
        "status",
        "rehearse",
        "demo",
        "doctor",
    )


@click.group(
    cls=_Program, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path, readable=False),
    envvar="HAOSCAR_PXE_CONFIG",
    help="Configuration file. Default: ./haoscar-pxe.toml, else /etc/haoscar-pxe/haoscar-pxe.toml.",
)
@click.option("-v", "--verbose", is_flag=True, help="Say also what is run and asked underneath.")
@click.version_option(__version__, prog_name="haoscar-pxe")
@click.pass_context
def program(context: click.Context, config: Path | None, verbose: bool) -> None:
    """Capture the live head of a cluster, network-boot its standby from the image, and prove it.

    The usual way: init, capture primary, node add, serve; rehearse whenever you want to know that
    the standby would boot; doctor when something does not work.
    """
    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.INFO,
        format=DEBUG_FORMAT if verbose else LOG_FORMAT,
        stream=sys.stderr,
    )
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    context.obj = Site(config)


def main() -> None:
    """Run the command line and end the process with its exit status."""
    signal.signal(signal.SIGTERM, _interrupt)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup
        signal.signal(signal.SIGHUP, _interrupt)
    gc.set_threshold(GARBAGE_EVERY)
    try:
        program.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted; nothing half-done is left visible", err=True)
        sys.exit(EXIT_INTERRUPTED)
    except HaoscarError as error:
        click.echo(f"haoscar-pxe: {error}", err=True)
        if error.hint:
            click.echo(f"  hint: {error.hint}", err=True)
        sys.exit(error.exit_status)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
