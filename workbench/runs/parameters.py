"""The typed parameters of a notebook, read without running it.

The unit is the cell tagged `parameters`. Each of its lines is an annotated assignment,

    epochs: int = 20  # passes over the training set

and gives a name, a type, a default and, as trailing comment, a help text. Types are `bool`, `int`,
pydantic's `PositiveInt`, `float`, `str`, `Literal[...]`, `list[...]` and `dict[..., ...]` of these,
and `X | None`. An int is accepted where a float is asked for; a bool is not an int. Values are
finite, so that they can be kept as JSON; pydantic checks them. Knows nothing about stages and
profiles: `pipeline` does.
"""

import ast
import contextlib
import difflib
import io
import json
import tokenize
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import GenericAlias, NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, cast, get_args, get_origin

from workbench.errors import PipelineError
from workbench.saving import reading

if TYPE_CHECKING:
    from pydantic import TypeAdapter

TAG = "parameters"
INJECTED_TAG = "injected-parameters"  # what papermill gives the cell it adds after it
_IMPORTED = ("typing", "pydantic", "__future__")  # what the cell may import from
_TOO_DEEP = (RecursionError, MemoryError)  # what a thousand brackets end in
_CELL_TYPES = ("code", "markdown", "raw")
_NULLS = ("null", "None", "~")  # not `none`, which is a class of the classifier


@dataclass(frozen=True)
class Parameter:
    """One line of the parameters cell: how a value is read from text, checked and written."""

    name: str
    annotation: str  # as written
    type: Any  # as annotated, made by `_type`
    default: Any
    help: str = ""

    def parse(self, text: str, where: str) -> Any:
        """Return the value that `text`, as typed on a command line, stands for.

        A str is taken as it stands. None is written `null`, `None` or `~`; where it is allowed, a
        str in double quotes is never None. Lists and dicts are JSON or YAML: `{goal: 0.5}`.

        Raises:
            PipelineError: If it is not of the declared type; `where` says which stage it was for.
        """
        return self._settle(self._read, text, where)

    def check(self, value: Any, where: str) -> Any:
        """Return `value`, an int for a float made a float.

        Raises:
            PipelineError: If it is not of the declared type; `where` says which file it came from.
        """
        return self._settle(_adapter(self.type).validate_python, value, where)

    def format(self, value: Any) -> str:
        """Return text that `parse` turns into `value` again: a str as it stands, the rest JSON."""
        plain, is_nullable = _without_none(self.type)
        may_mislead = is_nullable and plain is str  # a str that reads like None is quoted
        if isinstance(value, str) and not (
            may_mislead and (value.strip() in _NULLS or value.startswith('"'))
        ):
            return value
        return json.dumps(value, ensure_ascii=False)

    def _settle(self, settle: Callable[[Any], Any], value: Any, where: str) -> Any:
        try:
            return settle(value)
        except (ValueError, TypeError, RecursionError):
            problem = f"{where}: {self.name} = {value!r} is not {self.annotation}"
            remedy = f"give a value like {self.format(self.default)}"
            raise PipelineError(problem, remedy) from None

    def _read(self, text: str) -> Any:
        plain, is_nullable = _without_none(self.type)
        if is_nullable and text.strip() in _NULLS:
            return None
        for value in _choices(plain):
            if text in (str(value), self.format(value)):
                return value
        if plain is str:
            if is_nullable and text.startswith('"') and text.endswith('"'):
                with contextlib.suppress(json.JSONDecodeError):
                    return _adapter(str).validate_python(json.loads(text))
            return _adapter(str).validate_python(text)  # not what the terminal could not decode
        word = text.strip()
        if plain is bool:
            return _adapter(bool).validate_python(word, strict=False)  # takes yes, off, 1 …
        value = plain(word) if plain in (int, float) else _structure(text)
        return _adapter(self.type).validate_python(value)


def read_notebook(path: Path) -> list[dict[str, Any]]:
    """Return the cells of a notebook, each with `source` as one string and an `id`.

    Plain JSON: the notebook format's own reader takes a second to import, too long for a check.

    Raises:
        PipelineError: If the file is absent or is not a notebook of format 4.
    """
    absent = "check the pipeline file"
    with reading(path, "a notebook", "save it again", PipelineError, absent=absent) as read:
        content = read
    is_notebook = isinstance(content, dict) and content.get("nbformat") == 4
    if not is_notebook or not isinstance(content.get("cells"), list):
        raise PipelineError(f"{path} is not a notebook of format 4", "save it again in JupyterLab")
    cells = []
    for index, cell in enumerate(content["cells"]):
        if not _is_cell(cell):
            problem = f"{path}: cell {index} is not a cell of code, markdown or raw text"
            raise PipelineError(problem, "open it in JupyterLab, correct it and save it")
        source = cell.get("source", "")
        cells.append(
            {
                "index": index,
                "id": str(cell.get("id") or f"cell-{index}"),
                "type": cell["cell_type"],
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
        PipelineError: If a line is something else than a comment, an import of types or an
            annotated assignment of a literal; `where` names the notebook.

    Example:
        >>> parse_parameters("epochs: int = 20  # passes", "a.ipynb")["epochs"].help
        'passes'
    """
    try:
        tree = ast.parse(source)
        comments = _comments(source)
    except (SyntaxError, ValueError, *_TOO_DEEP, tokenize.TokenError) as error:
        line = f"line {error.lineno}: {error.msg}" if isinstance(error, SyntaxError) else error
        raise PipelineError(
            f"{where}: the parameters cell is not Python ({line})",
            "write each line as name: type = default  # help",
        ) from None
    found: dict[str, Parameter] = {}
    for statement in tree.body:
        if isinstance(statement, ast.ImportFrom) and statement.module in _IMPORTED:
            continue
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
            continue  # a docstring
        try:
            parameter = _parse_line(statement, where, comments)
        except _TOO_DEEP:
            line = f"{where}, parameters cell, line {statement.lineno}"
            raise PipelineError(f"{line}: nested too deep", "write a simple value") from None
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


def check_known(names: Iterable[str], known: Iterable[str], problem: str) -> None:
    """Refuse the first name that is not among the known ones; `problem` goes before it.

    Raises:
        PipelineError: With the closest known name as remedy.
    """
    for name in names:
        if name not in known:
            raise PipelineError(f"{problem} {name!r}", did_you_mean(name, known))


def _is_cell(cell: Any) -> bool:
    if not isinstance(cell, dict) or cell.get("cell_type") not in _CELL_TYPES:
        return False
    source, metadata = cell.get("source", ""), cell.get("metadata", {})
    lines = [source] if isinstance(source, str) else source
    tags = metadata.get("tags", []) if isinstance(metadata, dict) else None
    return all(
        isinstance(texts, list) and all(isinstance(text, str) for text in texts)
        for texts in (lines, tags)
    )


def _parse_line(statement: ast.stmt, where: str, comments: Mapping[int, str]) -> Parameter:
    text = ast.unparse(statement).splitlines()[0]
    place = f"{where}, parameters cell, line {statement.lineno}"
    remedy = "write it as name: type = default  # help"
    if isinstance(statement, ast.Assign):
        raise PipelineError(f"{place}: `{text}` has no type", remedy)
    if not isinstance(statement, ast.AnnAssign) or not isinstance(statement.target, ast.Name):
        raise PipelineError(f"{place}: `{text}` is not a parameter", remedy)
    annotation = ast.unparse(statement.annotation)
    found = _type(statement.annotation)
    if found is None:
        raise PipelineError(
            f"{place}: the type `{annotation}` is not known",
            "use bool, int, PositiveInt, float, str, Literal[...], list[...], dict[str, ...], or "
            "one of these | None",
        )
    if statement.value is None:
        raise PipelineError(f"{place}: `{text}` has no default", remedy)
    try:
        default = _adapter(found).validate_python(ast.literal_eval(statement.value))
    except (ValueError, TypeError):
        raise PipelineError(
            f"{place}: the default of `{text}` is not {annotation}", "write a literal of that type"
        ) from None
    lines = range(statement.lineno, (statement.end_lineno or statement.lineno) + 1)
    help_text = " ".join(comments[line] for line in lines if line in comments)
    return Parameter(statement.target.id, annotation, found, default, help_text)


@cache
def _adapter(kind: Any) -> "TypeAdapter[Any]":
    from pydantic import ConfigDict, TypeAdapter

    return TypeAdapter(kind, config=ConfigDict(strict=True, allow_inf_nan=False))


def _type(node: ast.expr) -> Any:
    """Return the type that an annotation names; None where it names none of ours."""
    from pydantic import PositiveInt

    scalars: dict[str, Any] = {"bool": bool, "int": int, "float": float, "str": str}
    if isinstance(node, ast.Name):
        return (scalars | {"PositiveInt": PositiveInt}).get(node.id)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        inner = [side for side in (node.left, node.right) if ast.unparse(side) != "None"]
        found = _type(inner[0]) if len(inner) == 1 else None
        return None if found is None else found | None
    if not isinstance(node, ast.Subscript):
        return None
    base = node.value.attr if isinstance(node.value, ast.Attribute) else ast.unparse(node.value)
    arguments = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    if base == "Literal":
        return _literal(arguments)
    types = [_type(argument) for argument in arguments]
    if base == "Optional" and len(types) == 1 and types[0] is not None:
        return types[0] | None
    if base == "list" and len(types) == 1 and types[0] is not None:
        return GenericAlias(list, (types[0],))
    if base == "dict" and len(types) == 2 and types[0] is str and types[1] is not None:
        return GenericAlias(dict, (str, types[1]))  # other keys would not survive JSON
    return None


def _literal(arguments: Sequence[ast.expr]) -> Any:
    """Return a Literal that tells 1 from True, as pydantic by itself does not."""
    from pydantic import BeforeValidator

    try:
        values = tuple(ast.literal_eval(argument) for argument in arguments)
    except ValueError:
        return None
    plain = all(value is None or type(value) in (bool, int, str) for value in values)
    # Values that are written alike, such as 2 and "2", could not be told apart.
    written = {v if isinstance(v, str) else json.dumps(v) for v in values} if plain else set()

    def exactly(value: Any) -> Any:
        if not any(type(value) is type(known) and value == known for known in values):
            raise ValueError
        return value

    literal, annotated = cast(Any, Literal), cast(Any, Annotated)
    return (
        annotated[literal[values], BeforeValidator(exactly)]
        if len(written) == len(values)
        else None
    )


def _choices(kind: Any) -> tuple[Any, ...]:
    """Return the values of a Literal; none of another type."""
    return get_args(get_args(kind)[0]) if get_origin(kind) is Annotated else ()


def _without_none(kind: Any) -> tuple[Any, bool]:
    """Return a type without `| None`, and whether None was allowed."""
    inner = [one for one in get_args(kind) if one is not NoneType]
    is_nullable = get_origin(kind) in (Union, UnionType) and len(inner) == 1
    return (inner[0], True) if is_nullable else (kind, False)


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
