"""The section `twin` of the configuration: the other server that boots the same nodes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from ipaddress import AddressValueError, IPv4Address
from pathlib import Path
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class TwinConfig:
    """url: of the other server, "" for none. second: nodes are declared there, not here.

    token_file: holds what 'mirror add NAME --twin' printed there.
    """

    url: str = ""
    token_file: str = ""
    second: bool = False

    def from_folder(self, folder: Path) -> TwinConfig:
        """The same with a path that does not depend on the working directory."""
        return replace(self, token_file=str(folder / self.token_file)) if self.token_file else self

    @property
    def ip(self) -> IPv4Address | None:
        """The other server's address, None if there is none."""
        return IPv4Address(urlsplit(self.url).hostname or "") if self.url else None


def twin_problems(twin: TwinConfig, own_url: str) -> list[str]:
    """What is wrong with the values, each in words."""
    if not twin.url:
        return ["twin.second: second to whom? give twin.url"] if twin.second else []
    problems = [] if twin.token_file else ["twin.token_file: the other server wants a token"]
    parts = urlsplit(twin.url)
    try:
        is_address = parts.scheme == "http" and twin.ip is not None and (parts.port or 80) > 0
    except (AddressValueError, ValueError):
        is_address = False
    if not is_address or parts.path not in ("", "/"):
        problems.append(f"twin.url: '{twin.url}' is not as http://10.77.0.2:8069")
    if twin.url.rstrip("/") == own_url:
        problems.append("twin.url: that is this server itself")
    return problems
