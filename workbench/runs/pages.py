"""What the report and the index share: one look, one policy, one way to write numbers.

A page is one file. Its content policy lets a browser fetch nothing and run no script but ours, so
that a report opened years later, offline, or by mail is still the same report. Knows nothing about
notebooks.
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

TEMPLATES = Path(__file__).resolve().parent / "templates"


def render(template: str, **values: Any) -> str:
    """Return a page made from one of our templates; every value is escaped unless marked safe."""
    script = _asset("report.js")
    digest = hashlib.sha256(script.encode()).digest()
    return (
        _environment()
        .get_template(template)
        .render(
            css=Markup(_asset("report.css")),
            script=Markup(script),
            script_digest=base64.b64encode(digest).decode(),
            **values,
        )
    )


def show_parameter(value: Any) -> str:
    """Return a parameter's value as one would type it."""
    return value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)


def show_time(moment: str) -> str:
    """Return an ISO time as date and minute, in UTC."""
    return datetime.fromisoformat(moment).strftime("%-d %B %Y, %H:%M UTC")


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
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined
    )


@cache
def _asset(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")
