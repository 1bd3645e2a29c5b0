"""The API's description is valid, and says what is there."""

from __future__ import annotations

import json

import aiohttp
from openapi_spec_validator import OpenAPIV31SpecValidator

from haoscar_pxe.serve.api import OPERATIONS
from haoscar_pxe.serve.openapi import description
from tests.unit.serve.fixed_answers import FixedAnswers
from tests.unit.serve.loopback import serving


def test_the_description_is_valid_and_names_each_route() -> None:
    document = json.loads(description(OPERATIONS))
    OpenAPIV31SpecValidator(document).validate()
    described = {
        (method.upper(), path) for path, item in document["paths"].items() for method in item
    }
    assert described == {(each.method, each.path) for each in OPERATIONS}


async def test_the_description_is_for_everybody() -> None:
    async with (
        serving(FixedAnswers()) as server,
        aiohttp.ClientSession(server.url) as client,
        client.get("/v1/openapi.json") as response,
    ):
        assert (response.status, (await response.json())["openapi"]) == (200, "3.1.0")
