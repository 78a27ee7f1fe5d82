"""The frame of every page, and how it writes times and sizes.

A page is one file. Its content policy lets a browser fetch nothing and run no script but ours, so
that a report opened years later, offline, or by mail is still the same report. What stands on a
page, and its own template, style and script, belongs to the room that makes it.
"""

import base64
import hashlib
import json
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup


def render(template: Path, script: Path | None = None, **values: Any) -> str:
    """Return a page made from a template; every value is escaped unless marked safe.

    Args:
        template: A file that extends `page.html.j2` and may include files that lie beside it.
        script: The one script that the page may run.
        values: What the template shows.
    """
    code = script.read_text(encoding="utf-8") if script is not None else ""
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    source = Markup(f"'sha256-{digest}'") if code else "'none'"
    page = _environment(template.parent).get_template(template.name)
    return page.render(script=Markup(code), script_source=source, **values)


def show_parameter(value: Any) -> str:
    """Return a parameter's value as one would type it."""
    return value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)


def show_time(moment: str, *, seconds: bool = False) -> str:
    """Return an ISO time as date and minute (or second), in UTC."""
    clock = "%H:%M:%S" if seconds else "%H:%M"
    return datetime.fromisoformat(moment).strftime(f"%-d %B %Y, {clock} UTC")


def show_duration(seconds: float | None) -> str:
    """Return a duration in the unit one would say it in.

    Example:
        >>> show_duration(75)
        '1 min 15 s'
    """
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest_s = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest_s} s"


def show_size(size: float) -> str:
    """Return a number of bytes in decimal units."""
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


@cache
def _environment(folder: Path) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([folder, Path(__file__).parent]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {"parameter": show_parameter, "time": show_time}
    environment.filters |= {"duration": show_duration, "size": show_size}
    return environment
