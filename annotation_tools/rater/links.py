"""A table for notebooks that says how to open the browser tools.

The unit is one tool: how to start it, and its address behind the Jupyter server where the notebook
runs in one. Knows nothing about the tools themselves.
"""

import html
from dataclasses import dataclass
from pathlib import Path

from annotation_tools.rater.jupyter_files import server_note

_TOOL_TO_JOB = {
    "clipper": "cut clips out of long videos",
    "goals": "say which clips show a goal, and when",
}


@dataclass(frozen=True)
class ToolLinks:
    """The browser tools; shows itself as a table with commands and, in JupyterLab, links."""

    footage: Path
    base_url: str | None  # of the Jupyter server; None outside one

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th scope=row>{tool}</th><td>{job}</td>"
            f"<td><code>{html.escape(self._command(tool))}</code></td><td>{self._link(tool)}</td></tr>"
            for tool, job in _TOOL_TO_JOB.items()
        )
        head = "".join(
            f"<th scope=col>{name}</th>" for name in ("tool", "to", "on the command line", "here")
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"

    def __repr__(self) -> str:
        return "\n".join(f"{tool}: {self._command(tool)}" for tool in _TOOL_TO_JOB)

    def _command(self, tool: str) -> str:
        return f"workbench serve {tool} --footage {self.footage}"

    def _link(self, tool: str) -> str:
        if self.base_url is None:
            return ""
        address = html.escape(f"{self.base_url}{tool}/", quote=True)
        return f'<a href="{address}" target="_blank" rel="noopener">open</a>'


def tool_links(footage: Path) -> ToolLinks:
    """Return where the clipper and the goal labeller are.

    Args:
        footage: The folder they are to show, named in the commands.
    """
    note = server_note()
    return ToolLinks(footage, None if note is None else str(note.get("base_url") or "/"))
