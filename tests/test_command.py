"""The command line of a trial: W&B's macros, one by one."""

import json

import pytest
from hypothesis import given, strategies as st

from sweepwidget.command import command_line
from sweepwidget.errors import UsageError

CONFIG = {"a": True, "b": False, "c": 1, "d": None}


def argv(command, config=CONFIG, program="train.py", env=None, *, windows=False):
    line = command_line(
        command, program, config, env=env or {}, args_file="/runs/x.json", interpreter="/venv/python", windows=windows
    )
    return list(line.argv)


@pytest.mark.parametrize(
    ("macro", "expected"),
    [
        ("env", ["/usr/bin/env"]),
        ("interpreter", ["/venv/python"]),
        ("program", ["train.py"]),
        ("args", ["--a=True", "--b=False", "--c=1", "--d=None"]),
        ("args_no_equals", ["--a", "True", "--b", "False", "--c", "1", "--d", "None"]),
        ("args_no_hyphens", ["a=True", "b=False", "c=1", "d=None"]),
        ("args_no_boolean_flags", ["--a", "--c=1", "--d=None"]),
        ("args_json", ['{"a": true, "b": false, "c": 1, "d": null}']),
        ("args_json_file", ["/runs/x.json"]),
        ("args_append_hydra", ["+a=True", "+b=False", "+c=1", "+d=None"]),
        ("args_override_hydra", ["++a=True", "++b=False", "++c=1", "++d=None"]),
    ],
)
def test_macro(macro, expected):
    """A macro becomes what W&B makes of it."""
    assert expected == argv(["${" + macro + "}"])


@pytest.mark.parametrize("command", [None, []])
def test_default_command(command):
    """Without a command, W&B's default one runs the program with all parameters."""
    assert ["/usr/bin/env", "/venv/python", "train.py", "--lr=0.1"] == argv(command, {"lr": 0.1})


def test_windows_has_no_env():
    """`${env}` is left out on Windows."""
    assert ["/venv/python", "train.py"] == argv(None, {}, windows=True)


@pytest.mark.parametrize("unknown", ["${batch_size}", "${}", "${envvar:lower}", "${args} and ${args}"])
def test_unknown_macro_is_left_out(unknown):
    """An element that looks like a macro and is none disappears."""
    assert ["run"] == argv(["run", unknown])


@pytest.mark.parametrize(
    "literal", ["--x=${args}", "${args} ", "$args", "{args}", "", "a b", "*", "$(id)", "`id`", "${"]
)
def test_everything_else_stays_as_it_is(literal):
    """Only a whole element is a macro; nothing is interpreted as a shell would."""
    assert ["run", literal] == argv(["run", literal])


@pytest.mark.parametrize(
    ("element", "expected"),
    [
        ("${envvar:HOST}", "h1"),
        ("tcp://${envvar:HOST}:${envvar:PORT}/${envvar:HOST}", "tcp://h1:80/h1"),
        ("${envvar:HOST}${envvar:PORT}", "h180"),
        ("${envvar:NOT_SET}", "NOT_SET"),
        ("x${envvar:EMPTY}y", "xy"),
        ("${envvar:MACRO}", "${args}"),
        ("${envvar:HOST}-${args}", "h1-${args}"),
    ],
)
def test_envvar(element, expected):
    """An environment variable is filled in anywhere and any number of times, and its value is not expanded again."""
    env = {"HOST": "h1", "PORT": "80", "EMPTY": "", "MACRO": "${args}"}
    assert [expected] == argv([element], env=env)


def test_elements_need_not_be_strings():
    """A number in a YAML command is passed as its text."""
    assert ["run", "--seed", "1", "0.5", "True"] == argv(["run", "--seed", 1, 0.5, True])


@given(st.text())
def test_a_value_stays_one_element(value):
    """Spaces, quotes, line ends and macros in a value neither split nor expand it."""
    assert [f"--x={value}"] == argv(["${args}"], {"x": value})
    assert ["--x", value] == argv(["${args_no_equals}"], {"x": value})
    assert {"x": value} == json.loads(argv(["${args_json}"], {"x": value})[0])


def test_nested_values():
    """A nested value is Python text on the command line, as with W&B, and JSON in JSON."""
    config = {"opt": {"name": "sgd", "eps": [1e-8, None]}}
    assert ["--opt={'name': 'sgd', 'eps': [1e-08, None]}"] == argv(["${args}"], config)
    assert ['{"opt": {"name": "sgd", "eps": [1e-08, null]}}'] == argv(["${args_json}"], config)


def test_numbers_are_not_booleans():
    """1 and 0 are numbers, also where booleans become bare flags."""
    assert ["--one=1", "--zero=0", "--half=0.0"] == argv(
        ["${args_no_boolean_flags}"], {"one": 1, "zero": 0, "half": 0.0}
    )


def test_args_json_file_asks_for_its_text():
    """The text of the file comes back only when the command names the file."""
    line = command_line(["run", "${args_json_file}"], None, CONFIG, env={}, args_file="/runs/x.json")
    assert json.dumps(CONFIG) == line.args_json
    assert command_line(["run", "${args_json}"], None, CONFIG, env={}, args_file="/runs/x.json").args_json is None


@pytest.mark.parametrize("program", [None, ""])
def test_missing_program(program):
    """A command that needs a program says which key to add."""
    with pytest.raises(UsageError, match=r"has no `program`.*add `program: train.py`"):
        argv(None, program=program)


def test_program_is_not_needed_by_every_command():
    """A command of its own words runs without `program`."""
    assert ["make", "train", "--lr=1"] == argv(["make", "train", "${args}"], {"lr": 1}, program=None)


def test_command_that_is_a_string():
    """A command written as one string is refused with a hint, not taken letter by letter."""
    with pytest.raises(UsageError, match="expected a list of words"):
        argv("python train.py")


def test_command_that_expands_to_nothing():
    """A command without a single word left is refused."""
    with pytest.raises(UsageError, match="name what to run"):
        argv(["${nothing}"])
