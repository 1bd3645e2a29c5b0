"""IMAGE and IMAGE@NUMBER, and nothing else, name a generation."""

from __future__ import annotations

import pytest

from haoscar_pxe.errors import RepositoryError
from haoscar_pxe.image.generation_name import GenerationName, parse_generation_name


@pytest.mark.parametrize(
    ("text", "value"),
    [("primary", GenerationName("primary")), ("a.b-c@12", GenerationName("a.b-c", 12))],
)
def test_what_is_written_is_read_and_written_again(text: str, value: GenerationName) -> None:
    assert parse_generation_name(text) == value
    assert str(value) == text


@pytest.mark.parametrize("text", ["", "@3", "a@", "a@0", "a@-1", "a@03", "a@x", "../a", "a@1@2"])
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(RepositoryError, match="names no generation") as caught:
        parse_generation_name(text)
    assert "primary@3" in caught.value.hint
