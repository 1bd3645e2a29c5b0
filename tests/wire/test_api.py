"""The API of the real server, which has given up its privileges, asked by curl."""

from __future__ import annotations

import json
from pathlib import Path

from haoscar_pxe.command import run
from tests.faults.serving import serving
from tests.needed import need
from tests.unit.cli import site_folder
from tests.wire.segment import segment

URL = "http://10.77.0.1:8069/v1/api/nodes"
DECLARED = '{"interfaces": [{"mac": "52:54:00:00:00:31", "address": "10.77.0.31/24"}]}'


def test_a_node_that_curl_declares_is_listed_by_the_command_line(tmp_path: Path) -> None:
    need("ip")
    need("curl")
    config = site_folder.make(tmp_path)
    config.write_text(config.read_text().replace("eth1", "eth0"))
    token = site_folder.call(config, "administrator", "add", "alice").stdout.strip()
    with segment() as made, serving(made.first, config, tmp_path / "log"):

        def curl(*words: str) -> str:
            argv = ["curl", "-s", "-S", "-w", "\n%{http_code}", *words]
            return bytes(run(made.machine.argv(argv)).stdout).decode()

        bearer = ("-H", f"Authorization: Bearer {token}")
        assert curl(URL).endswith("\n401")
        assert curl(*bearer, "-X", "PUT", "-d", DECLARED, f"{URL}/far").endswith("\n200")
        listed = json.loads(site_folder.call(config, "node", "list", "--json").stdout)
        assert [each["name"] for each in listed] == ["far"]
        assert curl(*bearer, "-X", "DELETE", f"{URL}/far").endswith("\n200")
        assert curl(*bearer, f"{URL}/far").endswith("\n404")
