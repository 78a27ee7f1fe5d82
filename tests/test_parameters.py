import contextlib
import json
import warnings
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from notebooks_on_disk import write_notebook

from workbench.errors import PipelineError
from workbench.runs.parameters import (
    Parameter,
    did_you_mean,
    parse_parameters,
    read_parameters,
)


def test_reads_name_type_default_and_help_in_order(tmp_path: Path) -> None:
    source = """
        from typing import Literal
        # A comment of its own is no help text.
        epochs: int = 20  # passes over the training set
        place: Literal["park", "gym"] = "park"
        weights: dict[str, float] = {
            "goal": 1,  # rarer
        }
        threshold: float | None = None  # None: chosen on validation
    """
    found = read_parameters(write_notebook(tmp_path / "a.ipynb", parameters=source))
    assert [(p.name, p.annotation, p.default, p.help) for p in found.values()] == [
        ("epochs", "int", 20, "passes over the training set"),
        ("place", "Literal['park', 'gym']", "park", ""),
        ("weights", "dict[str, float]", {"goal": 1.0}, "rarer"),
        ("threshold", "float | None", None, "None: chosen on validation"),
    ]


def test_a_notebook_without_a_parameters_cell_has_none(tmp_path: Path) -> None:
    assert read_parameters(write_notebook(tmp_path / "a.ipynb", "x = 1")) == {}


@pytest.mark.parametrize(
    "cell",
    [
        3,
        {"cell_type": "heading"},
        {"cell_type": "code", "source": [1]},
        {"cell_type": "code", "metadata": None},
        {"cell_type": "code", "metadata": {"tags": 5}},
    ],
)
def test_what_is_no_cell_is_named(tmp_path: Path, cell: Any) -> None:
    path = tmp_path / "a.ipynb"
    sound = {"cell_type": "code", "source": ["a: int = 1"], "metadata": {"tags": ["parameters"]}}
    path.write_text(json.dumps({"nbformat": 4, "cells": [sound, cell]}))
    with pytest.raises(PipelineError, match=r"a\.ipynb: cell 1 is not a cell"):
        read_parameters(path)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("lr = 1e-3", "has no type"),
        ("lr: float", "has no default"),
        ("lr: float = 1 / 3", "the default of .* is not float"),
        ("lr: float = 'high'", "the default of .* is not float"),
        ("epochs: int = True", "the default of .* is not int"),
        ("epochs: int = 2.0", "the default of .* is not int"),
        ("lr: Path = 'a'", "type `Path` is not known"),
        ("lr: int | str = 1", "type `int | str` is not known"),
        ("lr: list = []", "type `list` is not known"),
        ("a: dict[int, str] = {}", "is not known"),
        ("a: Literal[2, '2'] = 2", "is not known"),
        ("a: Literal[b''] = b''", "is not known"),
        ("a: int = 1\na: int = 2", "set twice"),
        ("print(3)", "is not a parameter"),
        ("import os", "is not a parameter"),
        ("a: int = ", "not Python"),
        ("a: float = 1e999", "is not float"),
        ("a: PositiveInt = 0", "is not PositiveInt"),
    ],
)
def test_a_line_that_is_no_parameter_is_refused(source: str, message: str) -> None:
    with pytest.raises(PipelineError, match=message):
        parse_parameters(source, "a.ipynb")


@pytest.mark.parametrize(
    ("annotation", "text", "value"),
    [
        ("int", "12", 12),
        ("int", "-3", -3),
        ("PositiveInt", "3", 3),
        ("float", "1e-3", 0.001),
        ("float", "3", 3.0),
        ("bool", "yes", True),
        ("bool", "0", False),
        ("str", "12", "12"),
        ("str", "", ""),
        ("str | None", "None", None),
        ("str | None", "none", "none"),
        ("str | None", '"null"', "null"),
        ("Optional[int]", "null", None),
        ("list[int]", "[1, 2]", [1, 2]),
        ("list[str]", "[north, south]", ["north", "south"]),
        ("list[float]", "[1, 2.5]", [1.0, 2.5]),
        ("dict[str, float]", '{"goal": 1}', {"goal": 1.0}),
        ("Literal[8, 16]", "16", 16),
    ],
)
def test_text_is_read_by_the_declared_type(annotation: str, text: str, value: Any) -> None:
    found = _parameter(annotation).parse(text, "-p")
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        ("PositiveInt", "0"),
        ("PositiveInt", "many"),
        ("int", "12.5"),
        ("int", "high"),
        ("int", "true"),
        ("float", "nan"),
        ("float", "inf"),
        ("bool", "maybe"),
        ("bool", "2"),
        ("list[int]", "[1, a]"),
        ("list[int]", "[true]"),
        ("list[int]", "3"),
        ("dict[str, int]", "[1]"),
        ("Literal['a', 'b']", "c"),
    ],
)
def test_text_of_another_type_is_refused(annotation: str, text: str) -> None:
    parameter = parse_parameters(f"a: {annotation} = {_DEFAULTS[annotation]}", "n.ipynb")["a"]
    with pytest.raises(PipelineError, match=r"a = .* is not"):
        parameter.parse(text, "-p")


_DEFAULTS = {
    "int": "0",
    "PositiveInt": "1",
    "float": "0.0",
    "bool": "False",
    "str": "''",
    "str | None": "None",
    "Optional[int]": "None",
    "list[int]": "[]",
    "list[str]": "[]",
    "list[float]": "[]",
    "dict[str, float]": "{}",
    "dict[str, int]": "{}",
    "Literal[8, 16]": "8",
    "Literal['a', 'b']": "'a'",
}


def _parameter(annotation: str) -> Parameter:
    """Return a parameter of a type, given a default that suits it."""
    for default in (_DEFAULTS.get(annotation), "None", "[]", "{}", "'a'", "0", "False", "''"):
        with contextlib.suppress(PipelineError):
            return parse_parameters(f"a: {annotation} = {default}", "n.ipynb")["a"]
    raise AssertionError(annotation)


_CHOICES = ("a", 2, False, None)
_Drawn = tuple[str, "st.SearchStrategy[Any]"]  # an annotation, and values of it


def _list_of(item: _Drawn) -> _Drawn:
    return f"list[{item[0]}]", st.lists(item[1], max_size=4)


def _dict_of(item: _Drawn) -> _Drawn:
    return f"dict[str, {item[0]}]", st.dictionaries(st.text(), item[1], max_size=4)


def _or_none(item: _Drawn) -> _Drawn:
    return f"{item[0]} | None", st.none() | item[1]


_SCALARS: list[_Drawn] = [
    ("bool", st.booleans()),
    ("int", st.integers()),
    ("float", st.floats(allow_nan=False, allow_infinity=False)),
    ("str", st.text()),
]
_KINDS: st.SearchStrategy[_Drawn] = st.recursive(
    st.sampled_from([*_SCALARS, (f"Literal{list(_CHOICES)}", st.sampled_from(_CHOICES))]),
    lambda inner: st.one_of(
        inner.map(_list_of),
        inner.map(_dict_of),
        inner.filter(lambda drawn: drawn[0][-6:] != "| None" and drawn[0][:3] != "Lit").map(
            _or_none
        ),
    ),
    max_leaves=4,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_what_is_written_is_read_again(data: st.DataObject) -> None:
    annotation, values = data.draw(_KINDS)
    parameter, value = _parameter(annotation), data.draw(values)
    assert parameter.check(value, "file") == value
    read = parameter.parse(parameter.format(value), "-p")
    assert json.dumps(read) == json.dumps(value)  # 1, 1.0 and True are equal, but not the same


@pytest.mark.parametrize("value", [True, 0, 1, 2.0, "2"])
def test_a_choice_tells_values_apart_that_python_calls_equal(value: Any) -> None:
    with pytest.raises(PipelineError, match="is not list"):
        _parameter(f"list[Literal{list(_CHOICES)}]").check([value], "file")


@pytest.mark.parametrize(
    ("name", "remedy"),
    [("epoch", "did you mean 'epochs'?"), ("zzz", "known are epochs, lr")],
)
def test_an_unknown_name_gets_a_remedy(name: str, remedy: str) -> None:
    assert did_you_mean(name, ["lr", "epochs"]) == remedy


_CELL = """
from typing import Literal
a: int = 20  # passes
b: list[int] | None = [1, 2]
c: Literal["x", "y"] = "x"  # which
d: dict[str, float] = {}
e: str = ""
f: str | None = None
"""
_ODD = ("\x00", "\ud800", "(" * 500, "-" * 3000, "[" * 1000, "{a: " * 300, "'" * 3, "\\\n")
_ODD += ("\t", "1e999", "nan", "9" * 5000, "Literal[", "int |", "...", "b''", "*a", "&a [*a]", "=")
_PIECES = st.text(max_size=8) | st.sampled_from(_ODD)


@seed(12)
@given(st.lists(st.tuples(st.integers(0, len(_CELL)), st.integers(0, 8), _PIECES), max_size=4))
@settings(max_examples=150, suppress_health_check=list(HealthCheck))
def test_any_parameters_cell_is_read_or_refused(
    edits: list[tuple[int, int, str]],
) -> None:
    source = _CELL
    for at, cut, piece in edits:
        source = source[:at] + piece + source[at + cut :]
    with contextlib.suppress(PipelineError), warnings.catch_warnings(action="ignore"):
        parse_parameters(source, "a.ipynb")


@seed(12)
@given(st.sampled_from("abcdef"), _PIECES | st.lists(_PIECES, max_size=4).map("".join))
@settings(max_examples=150, suppress_health_check=list(HealthCheck))
def test_any_value_is_read_or_refused(name: str, text: str) -> None:
    parameter = parse_parameters(_CELL, "a.ipynb")[name]
    try:
        value = parameter.parse(text, "-p")
    except PipelineError:
        return
    assert parameter.check(value, "a.yaml") == value
    assert parameter.parse(parameter.format(value), "-p") == value
    json.dumps(value, allow_nan=False).encode()
