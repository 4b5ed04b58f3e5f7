"""docs/output.schema.json, held against what `deploy` puts out."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema

SCHEMA: dict[str, Any] = json.loads((Path(__file__).parents[1] / "docs" / "output.schema.json").read_text())


def check(document: Any) -> None:
    """Fail where a document is not as the schema says, or has a key of which the schema does not know."""
    found = list(_validator().iter_errors(document))
    told = [f"{error.json_path}: {error.message}" for one in found for error in _causes(one, document)]
    assert not told, "not as docs/output.schema.json says:\n" + "\n".join(told)


def _causes(error: jsonschema.ValidationError, document: Any) -> list[jsonschema.ValidationError]:
    """Of the alternatives, the one that comes nearest."""
    if not error.context:
        return [error]
    branches: dict[Any, list[jsonschema.ValidationError]] = {}
    for one in error.context:
        branches.setdefault(one.schema_path[0], []).append(one)
    nearest = min(
        branches.values(), key=lambda errors: (any(e.path and e.path[-1] == "verb" for e in errors), len(errors))
    )
    return [cause for one in nearest for cause in _causes(one, document)]


@cache
def _validator() -> jsonschema.Draft202012Validator:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    return jsonschema.Draft202012Validator(closed(SCHEMA))


def closed(schema: Any) -> Any:
    """The schema that takes no key it does not name. Readers must: keys may be added to deploy/v1."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {key: closed(value) for key, value in schema.items()}
    names = isinstance(schema.get("properties"), dict) and "type" in schema
    return {"additionalProperties": False, **inner} if names else inner
