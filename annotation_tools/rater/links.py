"""Tables for notebooks that lead into the browser tools.

One says of each tool how to start it, and its address behind the Jupyter server where the notebook
runs in one. The other lists clips that people differ on, each with a way into review. Knows nothing
about the tools themselves.
"""

import base64
import html
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from annotation_tools.rater.jupyter_files import server_note
from annotation_tools.serving import MediaIndex, Medium
from workbench.errors import FootageError
from workbench.footage.clips import Clip

MOST_SHOWN = 20  # clips to talk about
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
    return ToolLinks(footage, _base_url())


@dataclass(frozen=True)
class ReviewTable:
    """Who said what of clips; shows itself with a picture of each and, in JupyterLab, a link."""

    item_to_said: Mapping[str, Mapping[str, str]]
    clips: Mapping[str, Clip]  # by id
    footage: Path
    base_url: str | None  # of the Jupyter server; None outside one

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{self._picture(item)}</td><th scope=row>{self._link(item)}</th><td>"
            + "<br>".join(f"{html.escape(who)}: {html.escape(what)}" for who, what in said.items())
            + "</td></tr>"
            for item, said in self.item_to_said.items()
        )
        head = "".join(f"<th scope=col>{name}</th>" for name in ("", "clip", "who says what"))
        start = html.escape(f"workbench serve goals --footage {self.footage}")
        return (
            f"<table><caption>In review (V): <code>{start}</code></caption>"
            f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        )

    def __repr__(self) -> str:
        return "\n".join(
            f"{item}: {', '.join(f'{who} {what}' for who, what in said.items())}"
            for item, said in self.item_to_said.items()
        )

    def _picture(self, item: str) -> str:
        clip = self.clips[item]
        media = MediaIndex([Medium(item, clip.file, self.footage / clip.file)])
        with suppress(FootageError):  # the words are there without it
            picture = base64.b64encode(media.image(item, clip.frame_count // 2, 160)).decode()
            return f'<img src="data:image/jpeg;base64,{picture}" alt="" width="160">'
        return ""

    def _link(self, item: str) -> str:
        if self.base_url is None:
            return html.escape(item)
        address = html.escape(f"{self.base_url}goals/#review={quote(item, safe='')}")
        return f'<a href="{address}" target="_blank" rel="noopener">{html.escape(item)}</a>'


def review_table(
    item_to_said: Mapping[str, Mapping[str, str]], clips: Sequence[Clip], footage: Path
) -> ReviewTable:
    """Return a table of the first clips that people differ on, from `disagreements` in these."""
    shown = dict(list(item_to_said.items())[:MOST_SHOWN])
    return ReviewTable(shown, {clip.clip_id: clip for clip in clips}, footage, _base_url())


def _base_url() -> str | None:
    note = server_note()
    return None if note is None else str(note.get("base_url") or "/")
