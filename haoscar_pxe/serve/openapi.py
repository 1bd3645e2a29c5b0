"""The API's description (OpenAPI 3.1.0), generated from the table that makes its routes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from haoscar_pxe import __version__

REFUSALS = {
    "400": "The body is no such document.",
    "401": "No administrator has this token.",
    "404": "There is no node of that name.",
    "409": "The registry refuses.",
}


@dataclass(frozen=True, slots=True)
class Operation:
    """One route. path: its variables in braces. body: the type of what is sent, None for nothing.

    handler: the name of the method of `AdministrationApi`. is_body_optional: as in the name.
    """

    method: str
    path: str
    handler: str
    summary: str
    body: type[msgspec.Struct] | None = None
    is_body_optional: bool = False


def description(operations: Iterable[Operation]) -> bytes:
    """The document, as JSON."""
    operations = list(operations)
    paths: dict[str, dict[str, object]] = {}
    for each in operations:
        paths.setdefault(each.path, {})[each.method.lower()] = _operation(each)
    bodies = [each.body for each in operations if each.body is not None]
    template = "#/components/schemas/{name}"
    _, schemas = msgspec.json.schema_components(bodies, ref_template=template)
    schemas["Refusal"] = {
        "type": "object",
        "required": ["error", "hint"],
        "properties": {"error": {"type": "string"}, "hint": {"type": "string"}},
    }
    bearer = {"type": "http", "scheme": "bearer"}
    return msgspec.json.encode(
        {
            "openapi": "3.1.0",
            "info": {"title": "haoscar-pxe", "version": __version__},
            "security": [{"administrator": []}],
            "paths": paths,
            "components": {"schemas": schemas, "securitySchemes": {"administrator": bearer}},
        }
    )


def _operation(each: Operation) -> dict[str, object]:
    variables = re.findall(r"{(\w+)}", each.path)
    statuses = ["401", *(["404"] if variables else [])]
    statuses += ["409"] if each.method != "GET" else []
    statuses += ["400"] if each.body else []
    responses: dict[str, object] = {"200": {"description": "Done.", "content": _json({})}}
    for status in sorted(statuses):
        refusal = _json({"$ref": "#/components/schemas/Refusal"})
        responses[status] = {"description": REFUSALS[status], "content": refusal}
    made: dict[str, object] = {
        "operationId": f"{each.method.lower()}_{each.handler}",
        "summary": each.summary,
        "responses": responses,
    }
    if variables:
        made["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in variables
        ]
    if each.body:
        content = _json({"$ref": f"#/components/schemas/{each.body.__name__}"})
        made["requestBody"] = {"required": not each.is_body_optional, "content": content}
    return made


def _json(schema: dict[str, object]) -> dict[str, object]:
    return {"application/json": {"schema": schema}}
