"""The typed parameters of a notebook, read without running it.

The unit is the cell tagged `parameters`. Each of its lines is an annotated assignment,

    epochs: int = 20  # passes over the training set

and gives a name, a type, a default and, as trailing comment, a help text. Types are `bool`, `int`,
`float`, `str`, `Literal[...]`, `list[...]` and `dict[..., ...]` of these, and `X | None`. An int is
accepted where a float is asked for; a bool is not an int. Values are finite, so that they can be
kept as JSON. Knows nothing about stages and profiles: `pipeline` does.
"""

import ast
import difflib
import io
import json
import math
import tokenize
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from workbench.errors import PipelineError

TAG = "parameters"
INJECTED_TAG = "injected-parameters"  # what papermill gives the cell it adds after it
_NULLS = ("null", "None", "~")  # not `none`, which is a class of the classifier
_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


class Kind(Protocol):
    """A type of parameter: how a value of it is read from text, checked and written."""

    def parse(self, text: str) -> Any:
        """Return the value that `text`, as typed on a command line, stands for.

        Raises:
            ValueError: If it stands for none.
        """

    def check(self, value: Any) -> Any:
        """Return `value` in its settled form (an int given for a float becomes a float).

        Raises:
            ValueError: If it is not of this kind.
        """

    def format(self, value: Any) -> str:
        """Return text that `parse` turns into `value` again."""


@dataclass(frozen=True)
class Scalar:
    """One of bool, int, float, str."""

    type: type

    def parse(self, text: str) -> Any:
        """Read a scalar; a str is taken as it stands."""
        if self.type is str:
            return text
        word = text.strip().lower()
        if self.type is bool:
            if word in _TRUE or word in _FALSE:
                return word in _TRUE
            raise ValueError
        return self.check(self.type(word))

    def check(self, value: Any) -> Any:
        """Accept a value of exactly this type, and an int where a float is asked for."""
        if self.type is float and type(value) is int:
            value = float(value)
        if type(value) is not self.type or (isinstance(value, float) and not math.isfinite(value)):
            raise ValueError
        return value

    def format(self, value: Any) -> str:
        """Write a str as it stands, the others as JSON does."""
        return value if isinstance(value, str) else json.dumps(value)


@dataclass(frozen=True)
class Choice:
    """One of a few given values."""

    values: tuple[Any, ...]

    def parse(self, text: str) -> Any:
        """Find the value that is written like `text`."""
        for value in self.values:
            if text == str(value) or text == self.format(value):
                return value
        raise ValueError

    def check(self, value: Any) -> Any:
        """Accept a listed value of the listed type: 1 is not True."""
        if not any(type(value) is type(known) and value == known for known in self.values):
            raise ValueError
        return value

    def format(self, value: Any) -> str:
        """Write a str as it stands, the others as JSON does."""
        return value if isinstance(value, str) else json.dumps(value)


@dataclass(frozen=True)
class ListOf:
    """A list whose items are all of one kind."""

    item: Kind

    def parse(self, text: str) -> Any:
        """Read a JSON or YAML list: `[1, 2]`, `[north, south]`."""
        return self.check(_structure(text))

    def check(self, value: Any) -> Any:
        """Check item by item."""
        if not isinstance(value, list):
            raise ValueError
        return [self.item.check(item) for item in value]

    def format(self, value: Any) -> str:
        """Write JSON."""
        return json.dumps(value, ensure_ascii=False)


@dataclass(frozen=True)
class DictOf:
    """A mapping from str to values of one kind. Other keys would not survive JSON."""

    item: Kind

    def parse(self, text: str) -> Any:
        """Read a JSON or YAML mapping: `{"goal": 0.5}`, `{goal: 0.5}`."""
        return self.check(_structure(text))

    def check(self, value: Any) -> Any:
        """Check key by key and value by value."""
        if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
            raise ValueError
        return {key: self.item.check(item) for key, item in value.items()}

    def format(self, value: Any) -> str:
        """Write JSON."""
        return json.dumps(value, ensure_ascii=False)


@dataclass(frozen=True)
class Nullable:
    """A kind, or None (written `null`, `None` or `~`)."""

    inner: Kind

    def parse(self, text: str) -> Any:
        """Read None or the inner kind; a str in double quotes is never None."""
        if text.strip() in _NULLS:
            return None
        if self.inner == Scalar(str) and text.startswith('"') and text.endswith('"'):
            try:
                return self.inner.check(json.loads(text))
            except json.JSONDecodeError:
                return text
        return self.inner.parse(text)

    def check(self, value: Any) -> Any:
        """Accept None and whatever the inner kind accepts."""
        return None if value is None else self.inner.check(value)

    def format(self, value: Any) -> str:
        """Write None as null, and quote a str that would be read as something else."""
        if value is None:
            return "null"
        text = self.inner.format(value)
        if isinstance(value, str) and (text.strip() in _NULLS or text.startswith('"')):
            return json.dumps(value, ensure_ascii=False)
        return text


@dataclass(frozen=True)
class Parameter:
    """One line of the parameters cell."""

    name: str
    annotation: str  # as written
    kind: Kind
    default: Any
    help: str = ""

    def parse(self, text: str, where: str) -> Any:
        """Return the value that `text` stands for.

        Raises:
            PipelineError: If it is not of the declared type; `where` says which stage it was for.
        """
        try:
            return self.kind.parse(text)
        except (ValueError, TypeError):
            raise self._wrong(text, where) from None

    def check(self, value: Any, where: str) -> Any:
        """Return `value`, an int for a float made a float.

        Raises:
            PipelineError: If it is not of the declared type; `where` says which file it came from.
        """
        try:
            return self.kind.check(value)
        except (ValueError, TypeError):
            raise self._wrong(value, where) from None

    def _wrong(self, value: Any, where: str) -> PipelineError:
        return PipelineError(
            f"{where}: {self.name} = {value!r} is not {self.annotation}",
            f"give a value like {self.kind.format(self.default)}",
        )


def read_notebook(path: Path) -> list[dict[str, Any]]:
    """Return the cells of a notebook, each with `source` as one string and an `id`.

    Plain JSON: the notebook format's own reader takes a second to import, too long for a check.

    Raises:
        PipelineError: If the file is absent or is not a notebook of format 4.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise PipelineError(f"notebook {path} does not exist", "check the pipeline file") from None
    except (ValueError, OSError) as error:
        raise PipelineError(f"{path} is not a notebook ({error})", "save it again") from None
    if not isinstance(content, dict) or content.get("nbformat") != 4 or "cells" not in content:
        raise PipelineError(f"{path} is not a notebook of format 4", "save it again in JupyterLab")
    cells = []
    for index, cell in enumerate(content["cells"]):
        source = cell.get("source", "")
        cells.append(
            {
                "index": index,
                "id": str(cell.get("id") or f"cell-{index}"),
                "type": cell.get("cell_type", "raw"),
                "tags": list(cell.get("metadata", {}).get("tags", [])),
                "source": source if isinstance(source, str) else "".join(source),
            }
        )
    return cells


def read_parameters(path: Path) -> dict[str, Parameter]:
    """Return the parameters of a notebook by name, in the order of its cell.

    Raises:
        PipelineError: If a line is not `name: type = literal`, or there are two parameters cells.
    """
    cells = [cell for cell in read_notebook(path) if cell["type"] == "code" and TAG in cell["tags"]]
    if len(cells) > 1:
        raise PipelineError(f"{path} has {len(cells)} cells tagged {TAG!r}", "keep one of them")
    return parse_parameters(cells[0]["source"], str(path)) if cells else {}


def parse_parameters(source: str, where: str) -> dict[str, Parameter]:
    """Return the parameters that `source`, the text of a parameters cell, declares.

    Raises:
        PipelineError: If a line is something else than a comment, an import from `typing` or an
            annotated assignment of a literal; `where` names the notebook.

    Example:
        >>> parse_parameters("epochs: int = 20  # passes", "a.ipynb")["epochs"].help
        'passes'
    """
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        raise PipelineError(
            f"{where}: the parameters cell is not Python (line {error.lineno}: {error.msg})",
            "write each line as name: type = default  # help",
        ) from None
    comments = _comments(source)
    found: dict[str, Parameter] = {}
    for statement in tree.body:
        if isinstance(statement, ast.ImportFrom) and statement.module in ("typing", "__future__"):
            continue
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
            continue  # a docstring
        parameter = _parse_line(statement, where, comments)
        if parameter.name in found:
            raise PipelineError(
                f"{where}: parameter {parameter.name!r} is set twice", "keep one of the lines"
            )
        found[parameter.name] = parameter
    return found


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a remedy for an unknown name: the closest known one, or all of them."""
    names = sorted(set(known))
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"known are {', '.join(names)}" if names else "there are none"


def unknown_parameter(name: str, known: Mapping[str, Parameter], where: str) -> PipelineError:
    """Return the error for a parameter that the notebook does not have."""
    return PipelineError(f"{where} has no parameter {name!r}", did_you_mean(name, known))


def _parse_line(statement: ast.stmt, where: str, comments: Mapping[int, str]) -> Parameter:
    text = ast.unparse(statement).splitlines()[0]
    place = f"{where}, parameters cell, line {statement.lineno}"
    remedy = "write it as name: type = default  # help"
    if isinstance(statement, ast.Assign):
        raise PipelineError(f"{place}: `{text}` has no type", remedy)
    if not isinstance(statement, ast.AnnAssign) or not isinstance(statement.target, ast.Name):
        raise PipelineError(f"{place}: `{text}` is not a parameter", remedy)
    annotation = ast.unparse(statement.annotation)
    kind = _kind(statement.annotation)
    if kind is None:
        raise PipelineError(
            f"{place}: the type `{annotation}` is not known",
            "use bool, int, float, str, Literal, list[...], dict[str, ...], or one of these | None",
        )
    if statement.value is None:
        raise PipelineError(f"{place}: `{text}` has no default", remedy)
    try:
        default = kind.check(ast.literal_eval(statement.value))
    except (ValueError, TypeError):
        raise PipelineError(
            f"{place}: the default of `{text}` is not {annotation}", "write a literal of that type"
        ) from None
    lines = range(statement.lineno, (statement.end_lineno or statement.lineno) + 1)
    help_text = " ".join(comments[line] for line in lines if line in comments)
    return Parameter(statement.target.id, annotation, kind, default, help_text)


def _kind(node: ast.expr) -> Kind | None:
    """Return the kind that an annotation names; None where it names none of ours."""
    scalars = {"bool": bool, "int": int, "float": float, "str": str}
    if isinstance(node, ast.Name) and node.id in scalars:
        return Scalar(scalars[node.id])
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        sides = [node.left, node.right]
        inner = [side for side in sides if not _is_none(side)]
        kind = _kind(inner[0]) if len(inner) == 1 else None
        return None if kind is None else Nullable(kind)
    if not isinstance(node, ast.Subscript):
        return None
    base = node.value.attr if isinstance(node.value, ast.Attribute) else ast.unparse(node.value)
    arguments = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    if base == "Literal":
        try:
            values = tuple(ast.literal_eval(argument) for argument in arguments)
        except ValueError:
            return None
        plain = all(value is None or type(value) in (bool, int, str) for value in values)
        # Values that are written alike, such as 2 and "2", could not be told apart.
        distinct = len({Choice(values).format(value) for value in values}) == len(values)
        return Choice(values) if values and plain and distinct else None
    kinds = [_kind(argument) for argument in arguments]
    if base == "Optional" and len(kinds) == 1 and kinds[0] is not None:
        return Nullable(kinds[0])
    if base == "list" and len(kinds) == 1 and kinds[0] is not None:
        return ListOf(kinds[0])
    if base == "dict" and len(kinds) == 2 and kinds[0] == Scalar(str) and kinds[1] is not None:
        return DictOf(kinds[1])
    return None


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _comments(source: str) -> dict[int, str]:
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {
        token.start[0]: token.string.lstrip("# ").strip()
        for token in tokens
        if token.type == tokenize.COMMENT and not token.line.lstrip().startswith("#")
    }


def _structure(text: str) -> Any:
    """Read JSON, or the YAML flow style that saves the quotes."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        import yaml

        try:
            return yaml.safe_load(text)
        except yaml.YAMLError:
            raise ValueError from None
