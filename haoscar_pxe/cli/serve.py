"""`haoscar-pxe serve`: DHCP, TFTP and HTTP in the foreground, as one service."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import ExitStack, closing
from ipaddress import IPv4Address
from pathlib import Path

import click

from haoscar_pxe.boot.addresses import Pool
from haoscar_pxe.boot.administration import SiteAdministration
from haoscar_pxe.boot.answers import BootAnswers
from haoscar_pxe.boot.artifacts import prepare
from haoscar_pxe.boot.bundle import build_bundle
from haoscar_pxe.boot.decide import Boot, decide
from haoscar_pxe.boot.deltas import Deltas
from haoscar_pxe.boot.firmware_files import firmware_files
from haoscar_pxe.boot.notebook import Notebook
from haoscar_pxe.boot.twin import Listener, Teller
from haoscar_pxe.cli.site import Site, pass_site
from haoscar_pxe.cli.token import read_token
from haoscar_pxe.config import Config, ServeConfig
from haoscar_pxe.errors import HaoscarError
from haoscar_pxe.image.delta_cache import DeltaCache
from haoscar_pxe.nodes.leases import LeaseFile
from haoscar_pxe.nodes.mirrors import Mirrors
from haoscar_pxe.nodes.registry import Registry
from haoscar_pxe.nodes.strangers import StrangerFile
from haoscar_pxe.nodes.timeline import TimelineFile
from haoscar_pxe.serve.options import Endpoints, ServeOptions
from haoscar_pxe.serve.server import run_server

log = logging.getLogger(__name__)


@click.command()
@pass_site
def serve(site: Site) -> None:
    """Serve DHCP, TFTP and HTTP in the foreground until Ctrl-C or SIGTERM.

    Needs root or the capabilities CAP_NET_BIND_SERVICE and, for router advertisements, CAP_NET_RAW,
    and gives them up when everything is bound. The package has a systemd unit for it:
    haoscar-pxe.service.
    """
    options = serve_options(site.config)
    paths = site.config.paths
    with closing(DeltaCache(paths.delta_cache)) as deltas, ExitStack() as threads:
        deltas.open()
        notebook = Notebook(
            site.registry, StrangerFile(paths.strangers), TimelineFile(paths.timeline)
        )
        answers = boot_answers(site, deltas, notebook)
        twin = listener(site)

        def ready(endpoints: Endpoints) -> None:
            """Threads start here, for they inherit the privileges that are left by now."""
            threads.enter_context(notebook.writing())
            if twin is not None:
                threads.enter_context(twin.listening())
            threading.Thread(target=warm, args=(answers,), daemon=True, name="boot files").start()
            click.echo(f"serving on {endpoints}; Ctrl-C stops", err=True)

        run_server(options, answers, ready)


def listener(site: Site) -> Listener | None:
    """Who asks the other server, and has asked it once: nobody is answered before.

    What it knows of nodes that this one did not hear of while it was down comes first.
    """
    twin = site.config.twin
    if not twin.url:
        return None
    token = read_token(Path(twin.token_file))
    made = Listener(site.registry, twin.url.rstrip("/"), token, is_second=twin.second)
    made.listen()
    return made


def serve_options(whole: Config) -> ServeOptions:
    """The part of the configuration that the server's sockets need."""
    config = whole.serve
    return ServeOptions(
        interface=config.interface,
        address=config.ip,
        http_port=config.http_port,
        dhcp=config.dhcp,
        proxy_dhcp=config.proxy_dhcp,
        tftp=config.tftp,
        router_advertisement=config.router_advertisement,
        gives_up_privileges=True,
        twin=whole.twin.ip,
    )


def boot_answers(site: Site, deltas: DeltaCache, notebook: Notebook | None = None) -> BootAnswers:
    """What this site answers to machines that ask."""
    paths = site.config.paths

    leases = LeaseFile(paths.leases)

    def boot_files(image: str, generation: int) -> dict[str, Path]:
        files = site.generations.open(image, generation)
        bundle = build_bundle(paths.bundle_cache)
        made = prepare(files.manifest, files, bundle, paths.boot_cache, site.trusted)
        return {"vmlinuz": made.kernel, "initramfs": made.initramfs}

    return BootAnswers(
        registry=site.registry,
        generations=site.generations,
        deltas=Deltas(site.generations, deltas),
        serve=site.config.serve,
        install=site.config.install,
        site=site.identity,
        firmware=firmware_files(),
        prepare=boot_files,
        pool=_pool(site.config.serve, site.registry, leases),
        leases=leases,
        notebook=notebook,
        mirrors=Mirrors(paths.registry),
        teller=Teller(site.registry, is_second=site.config.twin.second),
        administration=SiteAdministration.of(
            lambda: site.own_registry,
            site.registry,
            paths.strangers,
            paths.timeline,
            site.generations,
        ),
        twin_url=site.config.twin.url.rstrip("/"),
    )


def warm(answers: BootAnswers) -> None:
    """Make the boot files of all nodes that wait for them, so that no node has to wait.

    Once for each generation, however many nodes want it. What fails here fails again, and is
    explained, when the node asks; so it is only logged.
    """
    images, now_ns = answers.generations.images(), answers.now_ns()
    waiting = [
        node
        for node in answers.registry.nodes()
        if decide(node.boot_interface.mac, node, images, now_ns).boot is Boot.INSTALL
    ]
    for node in {(node.image, node.generation): node for node in waiting}.values():
        began = time.monotonic()
        try:
            answers.prepare(node.image, answers.generation_of(node))
        except HaoscarError as error:
            log.error("no boot files for %s: %s (%s)", node.name, error, error.hint)
        else:
            log.info("boot files of %s: %.1f s", node.name, time.monotonic() - began)


def _pool(config: ServeConfig, registry: Registry, leases: LeaseFile) -> Pool | None:
    if not config.pool:
        return None
    first, last = (IPv4Address(text) for text in config.pool)
    own = config.ip.ip

    def is_taken(address: IPv4Address) -> bool:
        return address == own or registry.by_address(str(address)) is not None

    started_s = time.time() - time.monotonic()

    def clock() -> float:
        """Seconds since 1970 that nobody sets back while this process runs."""
        return started_s + time.monotonic()

    return Pool(first, last, config.lease_s, clock, is_taken, leases.all())
