"""Determines from an annotation which values a parameter accepts, as type checkers do.

Annotations are never evaluated: only forms that mean the same in every notebook are understood, by their names.
"""

from __future__ import annotations

import ast
import re
from typing import List, NamedTuple, Optional, Tuple, Union

# Narrowest first: in a union, a text is converted to the first type that accepts it.
NAMES = ("bool", "int", "float", "str")
_ONE = {"Annotated", "Final", "ClassVar", "Required", "NotRequired", "ReadOnly", "InitVar", "Mapped"}
_UNION = {"Optional", "Union"}
_DEEPEST = 20
_LONGEST = 1000  # characters of a quoted annotation
_Choice = Union[bool, int, float, str]


class Annotation(NamedTuple):
    """The types and the single values that an annotation accepts; both are empty if it is not understood."""

    types: Tuple[str, ...] = ()
    choices: Tuple[_Choice, ...] = ()

    @property
    def type(self) -> str:
        """The narrowest type that covers everything that is accepted."""
        found = {*self.types, *(type(choice).__name__ for choice in self.choices)}
        return max(found, key=NAMES.index, default="str")

    def fits(self, value: object) -> bool:
        """Whether a default value from the notebook is consistent with the annotation."""
        name = type(value).__name__
        return value is None or value in self.choices or (name in NAMES and any(
            NAMES.index(name) <= NAMES.index(wider) for wider in self.types if wider == name or wider == "float"))


_NOTHING = Annotation()
_ANYTHING = Annotation(("str",))


def read_annotation(node: ast.expr) -> Optional[Annotation]:
    """Return the meaning of an annotation, None if the value decides, as with a bare `Final`."""
    if _name(node) in _ONE:
        return None
    return _read(node, 0)


def comment_annotation(comment: Optional[str]) -> Optional[ast.expr]:
    """Return the annotation in a comment such as ``# type: int``, which may be followed by a description."""
    for text in (comment or "", *(comment or "").split(None, 1)[:1]):
        node = _parsed(text)
        if node is not None:
            return node
    return None


def _read(node: ast.expr, depth: int) -> Annotation:
    if depth > _DEEPEST:
        return _ANYTHING
    if isinstance(node, ast.Constant):
        return _read_constant(node, depth)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return _joined([_read(node.left, depth + 1), _read(node.right, depth + 1)])
    if isinstance(node, ast.Subscript):
        return _read_subscript(_name(node.value), _arguments(node), depth + 1)
    name = _name(node)
    if name == "NoneType":
        return _NOTHING
    return Annotation((name,)) if name in NAMES else _ANYTHING


def _read_constant(node: ast.Constant, depth: int) -> Annotation:
    if node.value is None:
        return _NOTHING
    quoted = _parsed(node.value) if isinstance(node.value, str) else None
    return _ANYTHING if quoted is None else _read(quoted, depth + 1)


def _read_subscript(name: str, arguments: List[ast.expr], depth: int) -> Annotation:
    if name == "Literal":
        return _joined([_read_choice(argument, depth) for argument in arguments])
    if name in _UNION:
        return _joined([_read(argument, depth) for argument in arguments])
    if name in _ONE and arguments:
        return _read(arguments[0], depth)
    return _ANYTHING


def _read_choice(node: ast.expr, depth: int) -> Annotation:
    """Return one member of a `Literal`, which may itself be a `Literal`."""
    if isinstance(node, ast.Subscript) and _name(node.value) == "Literal" and depth <= _DEEPEST:
        return _read_subscript("Literal", _arguments(node), depth + 1)
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return _ANYTHING  # a member of an enumeration
    if value is None:
        return _NOTHING
    return Annotation(choices=(value,)) if type(value).__name__ in NAMES else _ANYTHING


def _joined(parts: List[Annotation]) -> Annotation:
    types = {name for part in parts for name in part.types}
    choices = {(type(choice), choice): choice for part in parts for choice in part.choices}
    return Annotation(tuple(name for name in NAMES if name in types),
                      tuple(choice for choice in choices.values() if type(choice).__name__ not in types))


def _name(node: ast.expr) -> str:
    """Return the name of a type or form without its module, as in ``typing.Optional`` or ``t.Optional``."""
    if isinstance(node, ast.Attribute):
        # Another module may define its own `int`.
        return node.attr if node.attr not in NAMES or _name(node.value) in ("builtins", "__builtins__") else ""
    return node.id if isinstance(node, ast.Name) else ""


def _arguments(node: ast.Subscript) -> List[ast.expr]:
    inside: ast.AST = node.slice
    if type(inside).__name__ == "Index":  # Python 3.8
        inside = inside.value  # type: ignore[attr-defined]
    if isinstance(inside, ast.Tuple):
        return list(inside.elts)
    return [inside] if isinstance(inside, ast.expr) else []


def _parsed(text: str) -> Optional[ast.expr]:
    text = text.strip()
    if len(text) > _LONGEST or not re.match(r"[\w'\"]", text):
        return None
    try:
        return ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
