"""`doctor` says everything it finds, and its exit status says whether anything is wrong."""

from __future__ import annotations

import json
from pathlib import Path

from haoscar_pxe.errors import DoctorError
from tests.unit.cli.site_folder import call, make


def test_without_a_configuration_it_looks_at_the_rest(tmp_path: Path) -> None:
    result = call(tmp_path / "nothing.toml", "doctor")
    assert isinstance(result.exception, DoctorError)
    assert "boot programs" in result.output
    assert "'haoscar-pxe init' writes one" in result.output


def test_an_interface_that_is_not_here_fails_it_and_the_hint_is_shown(tmp_path: Path) -> None:
    config = make(tmp_path)
    config.write_text(config.read_text().replace("eth1", "hxnone0"))
    result = call(config, "doctor")
    assert isinstance(result.exception, DoctorError)
    assert "interface hxnone0" in str(result.exception)
    assert "failed  interface hxnone0: not here" in result.output


def test_programs_get_one_document(tmp_path: Path) -> None:
    config = make(tmp_path)
    config.write_text(config.read_text().replace("eth1", "hxnone0"))
    document = json.loads(call(config, "doctor", "--json").output)
    assert document["ok"] is False
    verdicts = {check["name"]: check["verdict"] for check in document["checks"]}
    assert verdicts["configuration"] == "ok"
    assert verdicts["keys"] == "ok"
    assert verdicts["interface hxnone0"] == "failed"
