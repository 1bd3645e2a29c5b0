"""What `serve` does before anybody asks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from haoscar_pxe.boot.answers import BootAnswers
from haoscar_pxe.cli.serve import boot_answers, warm
from haoscar_pxe.cli.site import Site
from haoscar_pxe.errors import RepositoryError
from haoscar_pxe.image.delta_cache import DeltaCache
from tests.unit.cli import site_folder


def test_the_boot_files_of_a_generation_are_tried_once_however_many_nodes_want_it(
    tmp_path: Path,
) -> None:
    config = site_folder.make(tmp_path)
    for number in range(3):
        words = ("--mac", f"52:54:00:00:01:0{number}", "--address", f"10.77.0.2{number}/24")
        assert site_folder.call(config, "node", "add", f"n{number}", *words).exit_code == 0
    site_folder.call(config, "node", "set", "n2", "--generation", "1", "--installed")
    tried: list[tuple[str, int]] = []

    def prepare(image: str, generation: int) -> dict[str, Path]:
        tried.append((image, generation))
        raise RepositoryError("it cannot be made")

    answers: BootAnswers = boot_answers(Site(config), DeltaCache(tmp_path / "delta"))
    warm(replace(answers, prepare=prepare))
    assert tried == [("primary", 1)]
