"""Built-in footage: filmed-looking sessions rendered from a 3D scene, with exact truth."""

from workbench.footage.synthetic.sessions import make_footage

__all__ = ["make_footage"]
