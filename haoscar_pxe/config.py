"""The configuration file: TOML to frozen values, every problem reported at once, and back.

Only `cli` loads it; rooms receive the slice they need. `templates/site/haoscar-pxe.toml` is the
file with its comments.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path
from typing import Literal

from haoscar_pxe.addresses import ipv4_interface
from haoscar_pxe.config_failover import FailoverConfig, failover_problems
from haoscar_pxe.config_section import document_of, read_text, refuse, section, several
from haoscar_pxe.config_twin import TwinConfig, twin_problems
from haoscar_pxe.image.repository import is_image_name
from haoscar_pxe.image.retention import RetentionPolicy
from haoscar_pxe.rendering import render

FILE_NAME = "haoscar-pxe.toml"


@dataclass(frozen=True, slots=True)
class Paths:
    """Folders of the image server; relative ones start at the configuration's own folder."""

    repository: str = "/var/lib/haoscar-pxe/images"
    state: str = "/var/lib/haoscar-pxe"
    keys: str = "/etc/haoscar-pxe/keys"
    templates: str = ""

    @property
    def site_templates(self) -> Path | None:
        """The site's own template folder, None when it has none."""
        return Path(self.templates) if self.templates else None

    @property
    def registry(self) -> Path:
        """The SQLite file of the registry."""
        return Path(self.state) / "registry.sqlite"

    @property
    def leases(self) -> Path:
        """The SQLite file of strangers' leases."""
        return Path(self.state) / "leases.sqlite"

    @property
    def strangers(self) -> Path:
        """The SQLite file of machines that asked and that nobody registered."""
        return Path(self.state) / "strangers.sqlite"

    @property
    def timeline(self) -> Path:
        """The SQLite file of what was seen of nodes' boots."""
        return Path(self.state) / "timeline.sqlite"

    @property
    def bundle_cache(self) -> Path:
        """The folder of agent bundles, made from this machine's own Python."""
        return Path(self.state) / "bundle"

    @property
    def boot_cache(self) -> Path:
        """The folder of kernels and initramfs made from images."""
        return Path(self.state) / "boot"

    @property
    def delta_cache(self) -> Path:
        """The folder of deltas between generations."""
        return Path(self.state) / "delta"


@dataclass(frozen=True, slots=True)
class ServeConfig:
    """What `serve` listens on and tells nodes. pool: first and last address, or empty."""

    interface: str = "eth0"
    address: str = "10.77.0.1/24"
    http_port: int = 8069
    dhcp: bool = True
    proxy_dhcp: bool = False
    tftp: bool = True
    gateway: str = ""
    dns: tuple[str, ...] = ()
    domain: str = ""
    lease_s: int = 3600
    pool: tuple[str, ...] = ()
    router_advertisement: bool = False

    @property
    def ip(self) -> IPv4Interface:
        """The server's own address with its network."""
        return ipv4_interface(self.address)

    @property
    def url(self) -> str:
        """Base of every HTTP path this server answers."""
        return _url(self.address, self.http_port)


@dataclass(frozen=True, slots=True)
class InstallConfig:
    """What every install order says. boot_order: what UEFI tries first once it is installed."""

    shell_on_failure: bool = False
    after: Literal["reboot", "poweroff"] = "reboot"
    patience_s: int = 3600
    boot_order: Literal["network", "disk"] = "network"


@dataclass(frozen=True, slots=True)
class CaptureConfig:
    """exclude: absolute paths that never belong to an image. snapshots, snapshot_percent: of the
    head's storage, see `capture.snapshot.sight.Wish`.
    """

    exclude: tuple[str, ...] = ()
    snapshots: Literal["auto", "off", "require"] = "auto"
    snapshot_percent: int = 20


@dataclass(frozen=True, slots=True)
class SecretsConfig:
    """Which files are sealed, beside the shipped list. add, remove: globs; remove wins.

    by_content: whether files are looked into for private keys and password hashes.
    """

    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    by_content: bool = True


@dataclass(frozen=True, slots=True)
class SyncConfig:
    """keep: absolute paths that are a standby's own; a sync neither changes nor removes them."""

    keep: tuple[str, ...] = ("/tmp", "/var/log", "/var/lib/systemd", "/var/tmp")


@dataclass(frozen=True, slots=True)
class HeadConfig:
    """Where an image comes from, and what quiesces it meanwhile.

    host: [USER@]HOST for ssh, "" for this machine. ssh_options: "Name=value" of ssh_config.
    remote_folder: for agent bundles on the head, "" for the default. before, after: hooks that run
    on the head; each is a program with its arguments.
    """

    image: str
    host: str = ""
    ssh_options: tuple[str, ...] = ()
    remote_folder: str = ""
    before: tuple[tuple[str, ...], ...] = ()
    after: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class IdentityRule:
    """A file the site adds to the standby's identity. path: absolute, on the standby."""

    path: str
    template: str
    reason: str


@dataclass(frozen=True, slots=True)
class Config:
    """The whole file."""

    paths: Paths = field(default_factory=Paths)
    serve: ServeConfig = field(default_factory=ServeConfig)
    install: InstallConfig = field(default_factory=InstallConfig)
    capture: CaptureConfig = field(default_factory=CaptureConfig)
    secrets: SecretsConfig = field(default_factory=SecretsConfig)
    retention: RetentionPolicy = field(default_factory=RetentionPolicy)
    sync: SyncConfig = field(default_factory=SyncConfig)
    failover: FailoverConfig = field(default_factory=FailoverConfig)
    twin: TwinConfig = field(default_factory=TwinConfig)
    head: tuple[HeadConfig, ...] = ()
    identity: tuple[IdentityRule, ...] = ()

    def head_of(self, image: str) -> HeadConfig:
        """What is said of the image's head; the plain default if nothing is."""
        return next((head for head in self.head if head.image == image), HeadConfig(image))

    def render(self) -> str:
        """The file with its comments; `parse` reads it back to an equal value."""
        return render("site/haoscar-pxe.toml", {name: getattr(self, name) for name in _SECTIONS})


_SECTIONS = (
    *("paths", "serve", "install", "capture", "secrets", "retention", "sync"),
    *("failover", "twin", "head", "identity"),
)


@lru_cache(maxsize=8)
def _url(address: str, port: int) -> str:
    return f"http://{ipv4_interface(address).ip}:{port}"


def load(path: Path) -> Config:
    """Read a configuration file.

    Raises ConfigError: not there, not TOML, or wrong; the message lists every problem.
    """
    return parse(read_text(path), str(path), path.parent.absolute())


def parse(text: str, source: str, folder: Path) -> Config:
    """The value of a configuration text. source: its name in messages. folder: see Paths."""
    problems: list[str] = []
    config = _config(document_of(text, source), problems)
    if not problems:
        problems += check(config)
    refuse(source, problems)
    return replace(
        config, paths=_absolute(config.paths, folder), twin=config.twin.from_folder(folder)
    )


def _config(document: dict[str, object], problems: list[str]) -> Config:
    problems += [f"there is no section [{name}]" for name in document if name not in _SECTIONS]
    return Config(
        paths=section(Paths, document.get("paths", {}), "paths", problems),
        serve=section(ServeConfig, document.get("serve", {}), "serve", problems),
        install=section(InstallConfig, document.get("install", {}), "install", problems),
        capture=section(CaptureConfig, document.get("capture", {}), "capture", problems),
        secrets=section(SecretsConfig, document.get("secrets", {}), "secrets", problems),
        retention=section(RetentionPolicy, document.get("retention", {}), "retention", problems),
        sync=section(SyncConfig, document.get("sync", {}), "sync", problems),
        failover=section(FailoverConfig, document.get("failover", {}), "failover", problems),
        twin=section(TwinConfig, document.get("twin", {}), "twin", problems),
        head=several(HeadConfig, document.get("head", []), "head", problems),
        identity=several(IdentityRule, document.get("identity", []), "identity", problems),
    )


def check(config: Config) -> list[str]:
    """What is wrong with the values, each in words; empty if nothing is."""
    serve = config.serve
    try:
        network = serve.ip.network
    except ValueError as error:
        return [f"serve.address: {error}; write address and prefix, as in 10.77.0.1/24"]
    problems = [
        f"serve.{name}: '{text}' is no IPv4 address"
        for name, texts in (("gateway", (serve.gateway,)), ("dns", serve.dns), ("pool", serve.pool))
        for text in texts
        if text and not _is_address(text)
    ]
    if "/" not in serve.address:
        problems.append(
            f"serve.address: '{serve.address}' has no prefix length, as in 10.77.0.1/24"
        )
    if not 1 <= serve.http_port <= 65535:
        problems.append(f"serve.http_port: {serve.http_port} is no port")
    if serve.lease_s < 60:
        problems.append(f"serve.lease_s: {serve.lease_s} is below a minute")
    if serve.pool and serve.proxy_dhcp:
        problems.append("serve.pool: a proxy gives no addresses; leave it empty")
    if len(serve.pool) not in (0, 2):
        problems.append("serve.pool: give the first and the last address, or nothing")
    elif not problems and any(IPv4Address(text) not in network for text in serve.pool):
        problems.append(f"serve.pool: not all of it is in {network}")
    problems += [
        f"[[identity]]: path '{rule.path}' must be absolute"
        for rule in config.identity
        if not rule.path.startswith("/")
    ]
    problems += [
        f"retention.{name}: {count} is below 0"
        for name, count in asdict(config.retention).items()
        if count < 0
    ]
    problems += [
        f"secrets.{name}: '{glob}' names no file"
        for name, globs in (("add", config.secrets.add), ("remove", config.secrets.remove))
        for glob in globs
        if not glob.strip("/") or glob.endswith("/")
    ]
    problems += [
        f"sync.keep: '{path}' must be absolute, and not / itself"
        for path in config.sync.keep
        if not path.startswith("/") or not path.strip("/")
    ]
    if not 1 <= config.capture.snapshot_percent <= 100:
        percent = config.capture.snapshot_percent
        problems.append(f"capture.snapshot_percent: {percent} is not between 1 and 100")
    problems += failover_problems(config.failover) + twin_problems(config.twin, serve.url)
    if config.twin.second and serve.pool:
        problems.append("serve.pool: the first server alone gives addresses to strangers")
    return problems + _head_problems(config.head)


def _head_problems(heads: tuple[HeadConfig, ...]) -> list[str]:
    images = [head.image for head in heads]
    problems = [
        f"[[head]]: image '{image}' is there twice"
        for image in sorted(set(images))
        if images.count(image) > 1
    ]
    for head in heads:
        where = f"[[head]] of image '{head.image}'"
        if not is_image_name(head.image):
            problems.append(f"{where}: that is no image's name")
        if head.host.startswith("-"):
            problems.append(f"{where}: '{head.host}' is no host")
        if head.remote_folder and not head.remote_folder.startswith("/"):
            problems.append(f"{where}: remote_folder '{head.remote_folder}' must be absolute")
        if () in (*head.before, *head.after):
            problems.append(f"{where}: a hook names no program")
    return problems


def _is_address(text: str) -> bool:
    try:
        IPv4Address(text)
    except ValueError:
        return False
    return True


def _absolute(paths: Paths, folder: Path) -> Paths:
    def from_folder(text: str) -> str:
        return str(folder / text) if text else ""

    return Paths(
        repository=from_folder(paths.repository),
        state=from_folder(paths.state),
        keys=from_folder(paths.keys),
        templates=from_folder(paths.templates),
    )
