"""The labeller's guide says what the key tables of the tools say."""

import json
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TOOLS = {"clipper": "Clipper", "goals": "Goal labeller", "rater": "Rater"}
NAMES = {
    **{"Comma": ",", "Period": ".", "Minus": "−", "Equal": "+", "Slash": "/"},
    **{"BracketLeft": "[", "BracketRight": "]", "Backspace": "⌫", "Delete": "Del"},
    **{"ArrowLeft": "←", "ArrowRight": "→", "ArrowUp": "↑", "ArrowDown": "↓"},
    **{"NumpadAdd": "Num +", "NumpadSubtract": "Num −"},
    **{"PageUp": "PgUp", "PageDown": "PgDn", "Escape": "Esc", "Mod": "Ctrl"},
}
PARTS = {  # groups of the tools' key tables, as the guide sums them up
    "Label": ("Label", "Rate", "Cut"),
    "Correct": ("Correct",),
    "Clips": ("Clips", "Go"),
    "Move": ("Move",),
    "Play": ("Play",),
    "View": ("View", "Page"),
}


def key_name(key: str) -> str:
    names = [
        NAMES.get(part, part.removeprefix("Key").removeprefix("Digit")) for part in key.split("+")
    ]
    return " ".join(name.upper() if len(name) == 1 else name for name in names)


def key_tables() -> dict[str, dict]:
    return {
        tool: json.loads((ROOT / f"annotation_tools/{tool}/static/keys.json").read_text())
        for tool in TOOLS
    }


def rows_of(groups: tuple[str, ...]) -> list[str]:
    """One row per key, in the order in which the tools first name it."""
    cells: dict[str, dict[str, str]] = {}
    for tool, table in key_tables().items():
        for row in table.values():
            if row["group"] not in groups:
                continue
            names = list(dict.fromkeys(map(key_name, row["keys"])))
            known = next((key for key in cells if set(key.split(" or ")) & set(names)), None)
            key = known if known and tool not in cells[known] else " or ".join(names)
            cells.setdefault(key, {})[tool] = row["help"]
    rows = []
    for key, said in cells.items():
        shown = " ".join(f"<kbd>{name}</kbd>" for name in key.split(" or "))
        rows.append(f"| {shown} | {' | '.join(said.get(tool, '') for tool in TOOLS)} |")
    return rows


def guide_section() -> str:
    """The section of the guide that this test demands; print it to renew the guide."""
    head = f"| Key | {' | '.join(TOOLS.values())} |\n|---|{'---|' * len(TOOLS)}\n"
    return "\n\n".join(
        f"**{part}**\n\n{head}" + "\n".join(rows_of(groups)) for part, groups in PARTS.items()
    )


def test_the_guide_holds_the_key_tables_of_all_three_tools() -> None:
    guide = (ROOT / "docs/labelling.md").read_text(encoding="utf-8")
    assert guide_section() in guide


def test_no_group_of_keys_is_left_out_of_the_guide() -> None:
    groups = {row["group"] for table in key_tables().values() for row in table.values()}
    assert groups == {group for part in PARTS.values() for group in part}


def test_keys_that_tools_share_mean_the_same_everywhere() -> None:
    tables = key_tables()
    for action in ("play_pause", "frame_back", "frame_forward", "undo", "redo", "help"):
        keys = {tuple(t[action]["keys"][:1]) for t in tables.values() if action in t}
        assert len(keys) == 1, action
