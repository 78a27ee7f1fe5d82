"""Progress bars of tqdm inside a notebook, read from what its kernel writes.

`execution` gives the kernel a format for bars that a person and a program can both read; the
kernel's client reads it back. Notebooks use `tqdm` as everywhere else: in JupyterLab, where nobody
sets the format, it draws its usual bar.
"""

import re
from dataclasses import dataclass

from workbench.pages.page import show_duration

_FORMAT = "{desc} {n}/{total_fmt} {unit} in {elapsed}, {remaining_s:.0f} s left{postfix}"
ENVIRONMENT = {"TQDM_BAR_FORMAT": _FORMAT}
_BAR = re.compile(
    r"(?P<what>[^\r\n]*?)(?P<done>\d+(?:\.\d+)?)/(?P<total>\S+) (?P<unit>\S+)"
    r" in [\d:]+, (?P<left_s>\d+) s left"
)


@dataclass(frozen=True)
class ItemsDone:
    """How far a cell has come."""

    done: float
    total: float | None = None
    unit: str = "it"  # one item: clip, epoch
    left_s: float | None = None
    what: str = ""  # which of several passes

    def __str__(self) -> str:
        of = f" of {self.total:g}" if self.total is not None else ""
        unit = "" if self.unit == "it" else f" {self.unit}" + ("" if self.total == 1 else "s")
        left = ""
        if self.left_s:
            short = self.left_s < 60
            left = f", {f'{self.left_s:.0f} s' if short else show_duration(self.left_s)} left"
        return f"{self.what} {self.done:g}{of}{unit}{left}".lstrip()


def read_bar(text: str) -> ItemsDone | None:
    r"""Return the newest state of a bar in what a kernel wrote to its error stream.

    Example:
        >>> print(read_bar("\rvalid: 9/20 clip in 00:12, 65 s left"))
        valid 9 of 20 clips, 1 min 5 s left
    """
    states = list(_BAR.finditer(text))
    if not states:
        return None
    found = states[-1]
    scaled_or_unknown = not re.fullmatch(r"[\d.]+", found["total"])  # such as 1.2k, or ?
    total = None if scaled_or_unknown else float(found["total"])
    left_s = float(found["left_s"]) or None  # 0 until the first item is done
    what = found["what"].strip().removesuffix(":")
    return ItemsDone(float(found["done"]), total, found["unit"], left_s, what)
