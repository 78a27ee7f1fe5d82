"""Preparation of our own processes before they import the notebook packages.

For our own processes only (the command, and the one that runs a notebook), never on import: it
changes what other code in the same process gets.
"""

import sys


def skip_iri_grammar() -> None:
    """Keep jsonschema from compiling a grammar that nothing here uses.

    Where `rfc3987_syntax` is installed (Jupyter's servers want it), importing jsonschema, and so
    nbformat, builds a parser for international resource identifiers. That is one second of CPU in
    each process that reads a notebook, more than all the rest of its start. The notebook schema
    has no such field; jsonschema takes the package as optional.
    """
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
