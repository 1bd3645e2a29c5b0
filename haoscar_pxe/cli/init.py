"""`haoscar-pxe init`: a commented configuration for this machine, a repository and its keys."""

from __future__ import annotations

import os
from pathlib import Path

import click

from haoscar_pxe.cli.interfaces import LocalInterface, choose, local_interfaces
from haoscar_pxe.cli.site import Site, pass_site, system_config
from haoscar_pxe.command import run
from haoscar_pxe.config import FILE_NAME, Config, Paths, ServeConfig, load, parse
from haoscar_pxe.errors import ConfigError
from haoscar_pxe.image.repository import Repository
from haoscar_pxe.image.signing_keys import SIGNING_KEY, SigningFolder

DEFAULT_ADDRESS = "10.77.0.1/24"
CHECKOUT_PATHS = Paths(repository="images", state=".work/state", keys=".work/keys")


@click.command()
@click.option("--interface", default="", help="The cluster's own network. Default: found out.")
@click.option("--address", default="", help="This machine's address there, as 10.77.0.1/24.")
@click.option("--print", "only_print", is_flag=True, help="Print the configuration, write nothing.")
@click.option("--force", is_flag=True, help="Replace a configuration that is already there.")
@pass_site
def init(site: Site, interface: str, address: str, only_print: bool, force: bool) -> None:
    """Write a configuration for this machine, and make the repository and its signing key.

    It is written to ./haoscar-pxe.toml in a checkout of haoscar-pxe and to /etc/haoscar-pxe
    elsewhere, or where --config says. What is there already is kept: images, keys and registry
    always, the configuration unless --force is given.
    """
    path = site.given or default_path()
    in_checkout = site.given is None and path.parent == Path()
    config, reasons = propose(interface, address, in_checkout=in_checkout)
    text = config.render()
    parse(text, "what would be written", path.parent.absolute())
    if only_print:
        click.echo(text, nl=False)
        return
    if path.exists() and not force:
        click.echo(f"kept     {path} (--force replaces it)")
    else:
        write(path, text)
        click.echo(f"wrote    {path}")
        for reason in reasons:
            click.echo(f"         {reason}")
    establish(load(path))
    click.echo("next     haoscar-pxe doctor; then haoscar-pxe capture primary")


def default_path() -> Path:
    """Where the configuration belongs: here in a checkout, in /etc on an image server."""
    return Path(FILE_NAME) if Path("haoscar_pxe/cli").is_dir() else system_config()


def propose(interface: str, address: str, *, in_checkout: bool) -> tuple[Config, list[str]]:
    """A configuration for this machine, and what led to it, in words."""
    chosen, why = choose(local_interfaces(run), interface)
    serve, reasons = _serve(chosen, address)
    paths = CHECKOUT_PATHS if in_checkout else Paths()
    return Config(paths=paths, serve=serve), [f"interface {chosen.name}: {why}", *reasons]


def _serve(chosen: LocalInterface, address: str) -> tuple[ServeConfig, list[str]]:
    serve = ServeConfig(
        interface=chosen.name,
        address=address or str(chosen.address or DEFAULT_ADDRESS),
        router_advertisement=not chosen.has_ipv6,
    )
    if address or chosen.address:
        return serve, []
    command = f"ip address add {DEFAULT_ADDRESS} dev {chosen.name}"
    return serve, [f"{chosen.name} has no IPv4 address; proposed {DEFAULT_ADDRESS}: {command}"]


def write(path: Path, text: str) -> None:
    """Write the configuration in one step. Raises ConfigError if that is not possible."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        half = path.with_name(f".{path.name}.{os.getpid()}")
        half.write_text(text, encoding="utf-8")
        half.replace(path)
    except OSError as error:
        raise ConfigError(
            f"cannot write {path}: {error.strerror}", hint="run as root, or give another --config"
        ) from error


def establish(config: Config) -> None:
    """Make what the configuration names and is not there yet: repository, state, keys."""
    keys = Path(config.paths.keys)
    keys.mkdir(parents=True, exist_ok=True, mode=0o700)
    Path(config.paths.state).mkdir(parents=True, exist_ok=True)
    Repository.create(Path(config.paths.repository))
    click.echo(f"images   {config.paths.repository}")
    if (keys / SIGNING_KEY).exists():
        click.echo(f"kept     {keys / SIGNING_KEY}")
        return
    SigningFolder(keys).make()
    click.echo(f"made     {keys / SIGNING_KEY}; keep a copy where this machine's death spares it")
