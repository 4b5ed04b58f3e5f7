"""The JSON schema of one profile file, for editors: what `schema.py` says, but a file alone need not be whole."""

from typing import Any

from deployer.profile.schema import Profile

SHARED = {
    "reference": {"type": "string", "pattern": r"\$\{", "description": "filled in from a variable"},
    "duration": {"type": "string", "pattern": r"^(\d+h)?(\d+m)?(\d+s)?$", "description": "90s, 5m or 1h30m"},
}


def editor_schema() -> dict[str, Any]:
    """Draft 2020-12. Nothing is required, for base.yaml may have it; null and `${NAME}` may stand anywhere."""
    made = Profile.model_json_schema(by_alias=True)
    definitions = {name: _section(one) for name, one in made.pop("$defs").items()}
    top = _section(made)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Profile of an environment",
        "description": "environments/<name>.yaml over environments/base.yaml; docs/environments.md tells more",
        **{key: value for key, value in top.items() if key != "description"},
        "patternProperties": {"^x-": {"description": "a note of the team's own"}},
        "$defs": {**definitions, **SHARED},
    }


def _section(made: dict[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in made.items() if key not in ("title", "required")}
    return {**kept, "properties": {key: _setting(one) for key, one in made["properties"].items()}}


def _setting(made: dict[str, Any]) -> dict[str, Any]:
    """A setting, or a reference in its place, or the null that brings the default back."""
    about = {key: made[key] for key in ("description", "default") if made.get(key) is not None}
    shape = {key: value for key, value in made.items() if key not in ("title", "description", "default")}
    kinds = shape.pop("anyOf", [shape])
    kinds = [one for one in kinds if one.get("type") != "null"]
    types = {one.get("type", "object") for one in kinds}
    durations = [{"$ref": "#/$defs/duration"}] if "number" in types else []
    references = [] if types & {"object", "array"} else [{"$ref": "#/$defs/reference"}]
    return {**about, "anyOf": [*kinds, *durations, *references, {"type": "null"}]}
