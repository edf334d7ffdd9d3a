"""The JSON Schema of a sweep configuration, for editors: made of the same tables that check one.

What a schema cannot say (min below max, probabilities that sum to 1) only `SweepConfig.parse` finds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .metricspec import METRIC
from .parameters import CONDITION, DISTRIBUTIONS
from .parameters.spec import DEPRECATED, NAME_PATTERN
from .stoppingspec import STOPPING, WATCHED
from .sweepconfig import CONTROLLER, FIELDS, LAUNCH

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .fields import Field

_INFERRED = ("constant", "categorical", "categorical_w_probabilities", "int_uniform", "uniform")
"""Distributions that need not be named."""
GRID_DISTRIBUTIONS = ("constant", "categorical", "int_uniform", "q_uniform")
"""Distributions that grid search takes."""
_OPTIMISES = {"anyOf": [{"required": ["metric"]}, {"required": ["metrics"]}]}


def json_schema() -> dict[str, Any]:
    """A JSON Schema (draft 2020-12) that accepts what `SweepConfig.parse` takes without a violation.

    Save it, and name it in the first line of a sweep file:

    >>> import json
    >>> json.dumps(json_schema())[:64]
    '{"$schema": "https://json-schema.org/draft/2020-12/schema", "tit'

    `# yaml-language-server: $schema=sweep.schema.json`
    """
    schema = _object({**FIELDS, **LAUNCH}, "A sweep: what is searched, how, and when it ends.")
    schema["properties"] |= {
        "parameters": _ref("parameters"),
        "metric": _ref("metric"),
        "metrics": {**FIELDS["metrics"].schema(), "items": _ref("metric"), "minItems": 2},
        "early_terminate": {
            "description": FIELDS["early_terminate"].doc,
            "anyOf": [_stopping(kind) for kind in STOPPING],
        },
        "command": {**FIELDS["command"].schema(), "items": {"type": ["string", "number", "boolean"]}},
        "controller": _object({"type": CONTROLLER}, FIELDS["controller"].doc) | {"additionalProperties": True},
        "scheduler": {"type": "object", "description": LAUNCH["scheduler"].doc},
    }
    needy = [kind for kind, stopping in STOPPING.items() if stopping.needs_metric]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Sweep configuration",
        **schema,
        "allOf": [
            _if({"method": {"const": "bayes"}}, _OPTIMISES),
            _if(
                {"early_terminate": {"properties": {"type": {"enum": needy}}, "required": ["type"]}},
                _OPTIMISES,
            ),
            _if({"method": {"const": "grid"}}, {"properties": {"parameters": _ref("grid_parameters")}}),
            _if({"metrics": True}, {"properties": {"metric": False, "early_terminate": {"required": ["metric"]}}}),
        ],
        "$defs": {
            **{name: _distribution(name) for name in DISTRIBUTIONS},
            **_parameters("parameters", DISTRIBUTIONS),
            **_parameters("grid_parameters", GRID_DISTRIBUTIONS),
            "metric": _object(METRIC, FIELDS["metric"].doc),
        },
    }


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/$defs/{name}"}


def _if(properties: Mapping[str, Any], then: Mapping[str, Any]) -> dict[str, Any]:
    return {"if": {"properties": properties, "required": list(properties)}, "then": then}


def _object(fields: Mapping[str, Field], doc: str) -> dict[str, Any]:
    return {
        "type": "object",
        "description": doc,
        "properties": {name: known.schema() for name, known in fields.items()},
        "required": [name for name, known in fields.items() if known.required],
        "additionalProperties": False,
    }


def _parameters(name: str, distributions: Iterable[str]) -> dict[str, Any]:
    """The definition of a section of parameters with these distributions, which may hold sections like itself."""
    group = {
        "type": "object",
        "description": "A group: the run gets a dict of these.",
        "properties": {"parameters": _ref(name), "condition": CONDITION.schema()},
        "required": ["parameters"],
        "additionalProperties": False,
    }
    section = {
        "type": "object",
        "description": FIELDS["parameters"].doc,
        "minProperties": 1,
        "propertyNames": {"pattern": NAME_PATTERN},
        "additionalProperties": {"anyOf": [*(_ref(known) for known in distributions), group]},
    }
    return {name: section}


def _distribution(name: str) -> dict[str, Any]:
    known = DISTRIBUTIONS[name]
    schema = _object(known.fields, known.doc)
    schema["properties"] |= {"distribution": {"const": name}, "condition": CONDITION.schema()}
    if name not in _INFERRED:
        schema["required"].append("distribution")
    return schema | ({"deprecated": True} if name in DEPRECATED else {})


def _stopping(kind: str) -> dict[str, Any]:
    stopping = STOPPING[kind]
    schema = _object(stopping.fields, stopping.doc)
    schema["properties"] |= {"type": {"const": kind}, "metric": WATCHED.schema()}
    schema["required"].append("type")
    return schema | ({"anyOf": [{"required": list(keys)} for keys in stopping.any_of]} if stopping.any_of else {})
