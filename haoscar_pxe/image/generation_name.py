"""How people write which generation they mean: `primary` is the newest, `primary@3` the third."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from haoscar_pxe.errors import RepositoryError
from haoscar_pxe.image.repository import is_image_name

_NUMBER: Final = re.compile(r"[1-9][0-9]{0,17}")


@dataclass(frozen=True, slots=True)
class GenerationName:
    """An image and one of its generations. generation: None means the newest."""

    image: str
    generation: int | None = None

    def __str__(self) -> str:
        return self.image if self.generation is None else f"{self.image}@{self.generation}"


def parse_generation_name(text: str) -> GenerationName:
    """The value of IMAGE or IMAGE@GENERATION. Raises RepositoryError.

    >>> parse_generation_name("primary@3")
    GenerationName(image='primary', generation=3)
    >>> str(parse_generation_name("primary"))
    'primary'
    """
    image, at, number = text.partition("@")
    if not is_image_name(image) or (at and not _NUMBER.fullmatch(number)):
        raise RepositoryError(
            f"'{text}' names no generation",
            hint="write IMAGE for its newest generation or IMAGE@NUMBER, as in primary@3",
        )
    return GenerationName(image, int(number) if at else None)
