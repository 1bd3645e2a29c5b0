"""What a command knows of this site: the configuration and what it leads to, opened when needed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import click

from haoscar_pxe import config
from haoscar_pxe.boot.generations import Generations
from haoscar_pxe.boot.identity import Site as IdentitySite
from haoscar_pxe.capture.files.secrets import Sealing, SecretRules
from haoscar_pxe.config_failover import FailoverConfig
from haoscar_pxe.errors import ConfigError, NodeError
from haoscar_pxe.image.repository import Repository
from haoscar_pxe.image.sealing_keys import KeyFolder
from haoscar_pxe.image.signing import SigningKey, TrustedKeys
from haoscar_pxe.image.signing_keys import SigningFolder
from haoscar_pxe.nodes.registry import Registry

SYSTEM_FOLDER = Path("/etc/haoscar-pxe")


@dataclass
class Site:
    """The site of the given configuration file, or of the first one found."""

    given: Path | None

    @property
    def path(self) -> Path:
        """The configuration file in use. Raises ConfigError if there is none."""
        candidates = [self.given] if self.given else [Path(config.FILE_NAME), system_config()]
        for path in candidates:
            if path.is_file():
                return path.absolute()
        looked = " or ".join(str(path) for path in candidates)
        raise ConfigError(
            f"there is no configuration: {looked}", hint="'haoscar-pxe init' writes one"
        )

    @cached_property
    def config(self) -> config.Config:
        """The configuration."""
        return config.load(self.path)

    @property
    def failover(self) -> FailoverConfig:
        """The section of the failover monitor."""
        return self.config.failover

    @cached_property
    def repository(self) -> Repository:
        """The repository of images."""
        return Repository.open(Path(self.config.paths.repository))

    @cached_property
    def registry(self) -> Registry:
        """The registry of nodes."""
        return Registry(self.config.paths.registry)

    @property
    def own_registry(self) -> Registry:
        """The registry, to declare nodes. Raises NodeError on the second server of two."""
        if self.config.twin.second:
            raise NodeError(
                "nodes are declared on the first server, and this is the second",
                hint=f"do it on {self.config.twin.url}, or set twin.second = false if that is gone",
            )
        return self.registry

    @cached_property
    def trusted(self) -> TrustedKeys:
        """The keys whose manifests are believed."""
        return self.signing_keys.trusted

    @property
    def signer(self) -> SigningKey:
        """The key that signs captures."""
        return self.signing_keys.signer

    @property
    def signing_keys(self) -> SigningFolder:
        """The folder of the keys that sign, and that are believed."""
        return SigningFolder(Path(self.config.paths.keys))

    @property
    def sealing_keys(self) -> KeyFolder:
        """The folder of the keys that seal and open secrets."""
        return KeyFolder.below(Path(self.config.paths.keys))

    def sealing(self, image: str) -> Sealing:
        """What captures of the image seal, and by which key; the key is made if there is none."""
        return Sealing(self.sealing_keys.current(image), secret_rules(self.config))

    @cached_property
    def generations(self) -> Generations:
        """The repository as the boot server sees it."""
        return Generations.of(Path(self.config.paths.repository), self.trusted, self.sealing_keys)

    @property
    def identity(self) -> IdentitySite:
        """What the site adds to every node's identity."""
        return IdentitySite(
            dns=self.config.serve.dns,
            domain=self.config.serve.domain,
            gateway=self.config.serve.gateway,
            rules=self.config.identity,
            keep=self.config.sync.keep,
            templates=self.config.paths.site_templates,
        )


def secret_rules(config: config.Config) -> SecretRules:
    """Which files of this site are secrets."""
    said = config.secrets
    return SecretRules(add=said.add, remove=said.remove, by_content=said.by_content)


def system_config() -> Path:
    """Where an installed image server has its configuration."""
    return SYSTEM_FOLDER / config.FILE_NAME


pass_site = click.make_pass_decorator(Site)
