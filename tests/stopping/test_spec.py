"""What a configuration may say of the stoppers, and that both the parser and the JSON Schema know it."""

import jsonschema
import pytest

from sweepwidget.configschema import json_schema
from sweepwidget.errors import ConfigError
from sweepwidget.stopping import stopper_for
from sweepwidget.stopping.asha import Asha
from sweepwidget.stopping.median import Median
from sweepwidget.stopping.target import Target
from sweepwidget.stoppingspec import STOPPING
from sweepwidget.sweepconfig import SweepConfig

LOSS = {"name": "loss", "goal": "minimize"}
ACCEPTS = jsonschema.Draft202012Validator(json_schema()).is_valid


def sweep(early_terminate, **changes):
    return {
        "method": "random",
        "parameters": {"lr": {"min": 0.0, "max": 1.0}},
        "metric": LOSS,
        "early_terminate": early_terminate,
        **changes,
    }


@pytest.mark.parametrize(
    ("section", "filled", "kind"),
    [
        (
            {"type": "median"},
            {"type": "median", "min_iter": 5, "min_runs": 5, "percentile": 50, "interval": 1},
            Median,
        ),
        ({"type": "asha", "min_iter": 3}, {"type": "asha", "min_iter": 3, "eta": 3}, Asha),
        (
            {"type": "asha", "min_iter": 3.0, "eta": 4, "max_iter": 100},
            {"type": "asha", "min_iter": 3, "eta": 4, "max_iter": 100},
            Asha,
        ),
        ({"type": "target", "value": 0.1}, {"type": "target", "value": 0.1, "scope": "run"}, Target),
        ({"type": "target", "value": 1, "scope": "sweep"}, {"type": "target", "value": 1, "scope": "sweep"}, Target),
    ],
)
def test_a_section_is_filled_with_defaults_and_makes_its_stopper(section, filled, kind):
    """What was given comes back as it was."""
    config = SweepConfig.parse(sweep(section))
    assert filled == config.early_terminate
    assert section == config.to_dict()["early_terminate"]
    assert isinstance(stopper_for(config), kind)
    assert ACCEPTS(sweep(section))


@pytest.mark.parametrize(
    ("section", "complaint"),
    [
        ({"type": "median", "min_iter": 0}, "early_terminate.min_iter: 0 is less than the minimum of 1"),
        ({"type": "median", "percentile": 0}, "percentile: 0 is less than or equal to the minimum of 0"),
        ({"type": "median", "percentile": 101}, "percentile: 101 is greater than the maximum of 100"),
        ({"type": "median", "interval": "2"}, "interval: '2' is not of type 'integer'; write 2 without quotes"),
        ({"type": "asha"}, "early_terminate: 'min_iter' is a required property"),
        ({"type": "asha", "min_iter": 1, "eta": 1}, "eta: 1 is less than or equal to the minimum of 1"),
        ({"type": "target"}, "early_terminate: 'value' is a required property"),
        ({"type": "target", "value": None}, "early_terminate.value: None is not of type 'number'"),
        ({"type": "target", "value": 1, "scope": "sweeps"}, "scope: 'sweeps' is not one of"),
        ({"type": "medain"}, "did you mean 'median'?"),
    ],
)
def test_what_cannot_be_is_named(section, complaint):
    """With its place; the schema refuses it too."""
    with pytest.raises(ConfigError) as caught:
        SweepConfig.parse(sweep(section))
    assert complaint in str(caught.value)
    assert not ACCEPTS(sweep(section))


def test_a_rung_must_fit_below_max_iter():
    """What a schema cannot say."""
    with pytest.raises(ConfigError, match=r"max_iter \(3\) must be greater than min_iter \(3\)"):
        SweepConfig.parse(sweep({"type": "asha", "min_iter": 3, "max_iter": 3}))


@pytest.mark.parametrize("kind", ["median", "asha", "target"])
def test_they_need_a_metric(kind):
    """There is nothing to go by without one."""
    section = {"type": kind, **{"asha": {"min_iter": 1}, "target": {"value": 1}}.get(kind, {})}
    given = sweep(section)
    del given["metric"]
    with pytest.raises(ConfigError, match='early terminate requires "metric" section'):
        SweepConfig.parse(given)
    assert not ACCEPTS(given)


def test_every_kind_that_is_described_can_be_made():
    """The table of the configuration and that of the stoppers name the same."""
    examples = {
        "hyperband": {"min_iter": 3},
        "envelope": {},
        "median": {},
        "asha": {"min_iter": 3},
        "target": {"value": 0},
    }
    assert set(STOPPING) == set(examples)
    assert all(stopper_for(SweepConfig.parse(sweep({"type": kind, **rest}))) for kind, rest in examples.items())
