"""The JSON Schemas of the events, written from their declarations: `python -m shared.events.schemas docs/schemas`."""

import inspect
import json
import sys
from pathlib import Path
from typing import Any

import msgspec

from shared.events.event_types import EVENT_TYPES


def event_schemas() -> dict[str, dict[str, Any]]:
    """Return the JSON Schema (draft 2020-12) of each event, by file name."""
    return {f"{name.lower()}.json": _event_schema(name) for name in EVENT_TYPES}


def format_schema(schema: dict[str, Any]) -> str:
    """Return the text of a schema file."""
    return json.dumps(schema, indent=2) + "\n"


def write_schemas(folder: Path) -> None:
    """Write each schema into a file of `folder`, which is made if it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, schema in event_schemas().items():
        (folder / name).write_text(format_schema(schema))


def _event_schema(name: str) -> dict[str, Any]:
    (schema,), definitions = msgspec.json.schema_components([EVENT_TYPES[name]], ref_template="#/$defs/{name}")
    for definition in definitions.values():
        definition["description"] = inspect.cleandoc(definition["description"])
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "$defs": definitions}


if __name__ == "__main__":
    write_schemas(Path(sys.argv[1]))
