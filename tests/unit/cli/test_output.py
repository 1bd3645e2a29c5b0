"""What programs read from the command line."""

from __future__ import annotations

import json

import pytest

from haoscar_pxe.cli.output import print_json
from haoscar_pxe.nodes.declare import interface, new_node


def test_json_survives_names_that_are_no_utf8(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"paths": (b"a\xff\n", b"b")})
    assert json.loads(capsys.readouterr().out) == {"paths": ["a\\xff\n", "b"]}


def test_json_holds_the_values_of_structs(capsys: pytest.CaptureFixture[str]) -> None:
    lan = interface("52:54:00:00:00:20", "10.77.0.20/24")
    print_json([new_node("standby", role="standby", image="primary", interfaces=(lan,))])
    (node,) = json.loads(capsys.readouterr().out)
    assert node["state"] == "armed"
    assert node["interfaces"][0]["mac"] == "52:54:00:00:00:20"
