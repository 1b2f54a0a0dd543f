"""The description of the interface, /openapi.json: what the framework can not see of our routes is added here.

Bodies and parameters of xAPI are read by our own code, so the framework knows of its routes little more than their
paths. One table says the rest. The schemas are those that statements are checked by; what holds across properties
no schema can say. Whoever fuzzes the service reads this file's product.
"""

from collections.abc import Mapping
from typing import Any, Final

from fastapi import FastAPI

from api.problems import VERSION_HEADER
from api.schema import ACTOR, STATEMENT

Json = dict[str, Any]

_AT: Final = "#/components/schemas/"
_ID: Final = {"type": "string", "format": "uuid"}
_IRI: Final = {"type": "string", "format": "iri", "maxLength": 2048}
_TIME: Final = {"type": "string", "format": "date-time"}
_FLAG: Final = {"type": "boolean"}
_AGENT: Final = {"$ref": f"{_AT}Actor"}
_JSON: Final = "application/json"

_OF_ONE: Final[Mapping[str, Json]] = {"statementId": _ID, "voidedStatementId": _ID}
_OF_ALL: Final[Mapping[str, Json]] = {
    "verb": _IRI,
    "activity": _IRI,
    "registration": _ID,
    "related_activities": _FLAG,
    "related_agents": _FLAG,
    "since": _TIME,
    "until": _TIME,
    "limit": {"type": "integer", "minimum": 0, "maximum": 10**18 - 1},
    "format": {"enum": ["exact", "ids", "canonical"]},
    "attachments": _FLAG,
    "ascending": _FLAG,
}
_MANY: Final = {"type": "array", "maxItems": 10_000, "items": {"$ref": f"{_AT}Statement"}}
_ONE_OR_MANY: Final = {"oneOf": [{"$ref": f"{_AT}Statement"}, _MANY]}
_PARTS: Final = {"multipart/mixed": {"schema": {"type": "string", "format": "binary"}}}
_PAGE: Final = {
    "type": "object",
    "properties": {"statements": {"type": "array", "items": {"type": "object"}}, "more": {"type": "string"}},
}

# Statuses beside the success, by the beginning of the path; 400, 401, 403 and 503 are everywhere but in health.
_ANYWHERE: Final = ("400", "401", "403", "503")
_ALSO: Final[Mapping[str, tuple[str, ...]]] = {
    "/xapi/statements": ("404", "409", "413"),
    "/xapi/activities/": ("404", "409", "412", "413"),
    "/xapi/agents/": ("404", "409", "412", "413"),
    "/llm/": ("409", "413"),
    "/dsar": ("404", "409", "413"),
    "/admin/log/": ("404", "500"),
}
_NO_BODY: Final = frozenset({"put", "delete"})


def install(app: FastAPI) -> None:
    """Let the application describe itself whole."""
    plain = app.openapi

    def openapi() -> Json:
        if app.openapi_schema is None:
            app.openapi_schema = described(plain())
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # the framework's documented way to extend it


def described(schema: Json) -> Json:
    """The framework's description, completed in place."""
    components = schema.setdefault("components", {})
    components.setdefault("schemas", {}).update(_schemas())
    components["securitySchemes"] = {"credential": {"type": "http", "scheme": "basic"}}
    for path, methods in schema["paths"].items():
        place = path.replace("/xapi/1.0.3/", "/xapi/")
        for method, operation in methods.items():
            _complete(operation, place, method)
            _lift_definitions(operation, components["schemas"])
    return schema


def _lift_definitions(operation: Json, schemas: Json) -> None:
    """Definitions inside a body's schema are looked for at the top of the document, where they are not."""
    for content in operation.get("requestBody", {}).get("content", {}).values():
        content["schema"] = _pointed(content["schema"])
        schemas.update(content["schema"].pop("$defs", {}))


def _pointed(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _pointed(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_pointed(inner) for inner in value]
    return value.replace("#/$defs/", _AT) if isinstance(value, str) else value


def _schemas() -> Json:
    """The shapes of a statement, of an actor, and of an error."""
    made: Json = {}
    for adapter in (STATEMENT, ACTOR):
        one = adapter.json_schema(ref_template=f"{_AT}{{model}}")
        made |= one.pop("$defs", {})
        made[one["title"]] = one
    text = {"type": "string"}
    made["Problem"] = {
        "type": "object",
        "required": ["code"],
        "properties": {"code": text, "message": text, "title": text, "type": text, "status": {"type": "integer"}},
    }
    return made


def _complete(operation: Json, place: str, method: str) -> None:
    responses = operation["responses"]
    responses.pop("422", None)
    if place in {"/healthz", "/readyz"}:
        responses["503"] = _problem(place)
        return
    if place.startswith("/xapi/"):
        _complete_xapi(operation, place, method)
    if place != "/xapi/about":
        operation["security"] = [{"credential": []}]
        for status in (*_ANYWHERE, *_also(place)):
            responses[status] = _problem(place)


def _also(place: str) -> tuple[str, ...]:
    return next((more for start, more in _ALSO.items() if place.startswith(start)), ())


def _problem(place: str) -> Json:
    kind = _JSON if place.startswith("/xapi/") else "application/problem+json"
    return {
        "description": "A stable code and a sentence",
        "content": {kind: {"schema": {"$ref": f"{_AT}Problem"}}},
    }


def _complete_xapi(operation: Json, place: str, method: str) -> None:
    version = {
        "name": VERSION_HEADER,
        "in": "header",
        "required": place != "/xapi/about",
        "schema": {"type": "string", "pattern": r"^(1\.0(\.\d{1,3})?|2\.0(\.\d{1,3})?)$"},
    }
    operation.setdefault("parameters", []).append(version)
    if place == "/xapi/statements":
        _complete_statements(operation, method)
    if method in _NO_BODY or (method == "post" and place != "/xapi/statements"):
        operation["responses"].pop("200", None)
        operation["responses"]["204"] = {"description": "Done"}


def _complete_statements(operation: Json, method: str) -> None:
    parameters = operation["parameters"]
    if method in {"get", "head"}:
        known = {**_OF_ONE, **_OF_ALL}
        parameters += [_query(name, schema, required=False) for name, schema in known.items()]
        agent = {"name": "agent", "in": "query", "required": False, "content": {_JSON: {"schema": _AGENT}}}
        parameters.append(agent)
        shapes: Json = {_JSON: {"schema": {"oneOf": [_PAGE, {"$ref": f"{_AT}Statement"}]}}}
        operation["responses"]["200"]["content"] = shapes | _PARTS
        return
    if method == "put":
        parameters.append(_query("statementId", _ID, required=True))
    schema = _ONE_OR_MANY if method == "post" else {"$ref": f"{_AT}Statement"}
    operation["requestBody"] = {"required": True, "content": {_JSON: {"schema": schema}} | _PARTS}
    if method == "post":
        ids = {_JSON: {"schema": {"type": "array", "items": _ID}}}
        operation["responses"]["200"]["content"] = ids


def _query(name: str, schema: Json, *, required: bool) -> Json:
    return {"name": name, "in": "query", "required": required, "schema": schema}
