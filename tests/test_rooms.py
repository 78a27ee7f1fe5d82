"""Imports only go down the house, and never in a circle."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
# From the ground up: a room imports from itself and from those before it.
FLOORS = (
    *("errors", "saving", "pages", "stats", "style", "engines", "footage", "simulated"),
    *("labels", "training"),
    *("detect", "actions", "shots", "highlights", "describe", "runs", "annotation_tools", "cli"),
)


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(module: str) -> str:
    package, _, inside = module.partition(".")
    return inside.partition(".")[0] if package == "workbench" else package


@pytest.fixture(scope="module")
def imports() -> dict[str, set[str]]:
    """Every module of ours with those that it imports, also inside functions."""
    files = [*ROOT.glob("workbench/**/*.py"), *ROOT.glob("annotation_tools/**/*.py")]
    modules = {module_of(path): path for path in files}
    found: dict[str, set[str]] = {}
    for module, path in modules.items():
        named = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                named |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                inside = {f"{node.module}.{alias.name}" for alias in node.names}
                named |= inside & modules.keys() or {node.module}
        found[module] = named & modules.keys()
    return found


def test_every_room_has_its_floor(imports: dict[str, set[str]]) -> None:
    assert {room_of(module) for module in imports} - {""} == set(FLOORS)


def test_no_room_imports_from_a_higher_one(imports: dict[str, set[str]]) -> None:
    upward = [
        f"{module} imports {other}"
        for module, others in imports.items()
        for other in others
        if room_of(module) and room_of(other)
        if FLOORS.index(room_of(other)) > FLOORS.index(room_of(module))
    ]
    assert sum(map(len, imports.values())) > 500  # or nothing was looked at
    assert not upward


def test_no_modules_import_each_other_in_a_circle(imports: dict[str, set[str]]) -> None:
    order = list(TopologicalSorter(imports).static_order())  # raises CycleError
    assert len(order) == len(imports)
