"""Determines from an annotation which values a parameter accepts, as type checkers do.

Annotations are never evaluated: only forms that mean the same in every notebook are understood, by their names.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import List, Optional, Tuple, Union

# Narrowest first: in a union, a text is converted to the first type that accepts it.
NAMES = ("bool", "int", "float", "list", "dict", "date", "datetime", "str")
FORMS = ("date", "datetime")  # text that has to have a certain form
_CHOICES = ("bool", "int", "float", "str")
_BUILTINS = (*_CHOICES, "list", "dict")
_LISTS = {"list", "List", "Sequence", "MutableSequence", "Collection", "Iterable"}
_DICTS = {"dict", "Dict", "Mapping", "MutableMapping"}
_ONE = {"Annotated", "Final", "ClassVar", "Required", "NotRequired", "ReadOnly", "InitVar", "Mapped"}
_UNION = {"Optional", "Union"}
_DEEPEST = 20
_LONGEST = 1000  # characters of a quoted annotation
_Choice = Union[bool, int, float, str]


@dataclass(frozen=True)
class Annotation:
    """The types and the single values that an annotation accepts; both are empty if it names none.

    Parameters
    ----------
    types : tuple of str
        Those of `NAMES` that are accepted.
    choices : tuple
        Single values that are accepted.
    takes_none : bool
        Whether None is accepted.
    is_open : bool
        Whether it also accepts something that is not understood here.
    items : Annotation, optional
        What the items of a list are; None if anything.
    keys, values : Annotation, optional
        What the keys and values of a dict are; None if anything.
    """

    types: Tuple[str, ...] = ()
    choices: Tuple[_Choice, ...] = ()
    takes_none: bool = False
    is_open: bool = False
    items: Optional[Annotation] = None
    keys: Optional[Annotation] = None
    values: Optional[Annotation] = None

    @property
    def type(self) -> str:
        """The narrowest type that covers everything that is accepted."""
        found = {*self.types, *(type(choice).__name__ for choice in self.choices)}
        widest = max(found, key=NAMES.index, default="str")
        return "str" if widest in FORMS else widest

    @property
    def form(self) -> Optional[str]:
        """The one form that all text has to have, None if there is none."""
        forms = [name for name in self.types if name in FORMS]
        return forms[-1] if forms and not self.choices and "str" not in self.types else None

    @property
    def is_plain(self) -> bool:
        """Whether the name of its type says everything about it."""
        return len(self.types) == 1 and self == Annotation((self.type,), is_open=self.is_open)

    def fits(self, value: object) -> bool:
        """Whether a default value from the notebook is consistent with the annotation."""
        name = type(value).__name__
        if value is None or value in self.choices or name in self.types:
            return True
        return (name in ("bool", "int") and "float" in self.types) or (name == "str" and self.form is not None)


_NONE = Annotation(takes_none=True)
_ANYTHING = Annotation(("str",), is_open=True)


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
        return _NONE
    return _plain(name)


def _plain(name: str) -> Annotation:
    kind = "list" if name in _LISTS else "dict" if name in _DICTS else name
    return Annotation((kind,)) if kind in NAMES else _ANYTHING


def _read_constant(node: ast.Constant, depth: int) -> Annotation:
    if node.value is None:
        return _NONE
    quoted = _parsed(node.value) if isinstance(node.value, str) else None
    return _ANYTHING if quoted is None else _read(quoted, depth + 1)


def _read_subscript(name: str, arguments: List[ast.expr], depth: int) -> Annotation:
    if name == "Literal":
        return _joined([_read_choice(argument, depth) for argument in arguments])
    if name in _UNION:
        none = [_NONE] if name == "Optional" else []
        return _joined([*(_read(argument, depth) for argument in arguments), *none])
    if name in _ONE and arguments:
        return _read(arguments[0], depth)
    if name in _LISTS and len(arguments) == 1:
        return Annotation(("list",), items=_inside(arguments[0], depth))
    if name in _DICTS and len(arguments) == 2:
        return Annotation(("dict",), keys=_inside(arguments[0], depth), values=_inside(arguments[1], depth))
    return _ANYTHING


def _inside(node: ast.expr, depth: int) -> Optional[Annotation]:
    """Return what a list or a dict contains, None if that may be anything."""
    found = _read(node, depth)
    return None if found.is_open else found


def _read_choice(node: ast.expr, depth: int) -> Annotation:
    """Return one member of a `Literal`, which may itself be a `Literal`."""
    if isinstance(node, ast.Subscript) and _name(node.value) == "Literal" and depth <= _DEEPEST:
        return _read_subscript("Literal", _arguments(node), depth + 1)
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return _ANYTHING  # a member of an enumeration
    if value is None:
        return _NONE
    return Annotation(choices=(value,)) if type(value).__name__ in _CHOICES else _ANYTHING


def _joined(parts: List[Annotation]) -> Annotation:
    types = {name for part in parts for name in part.types}
    choices = {(type(choice), choice): choice for part in parts for choice in part.choices}
    lists = [part.items for part in parts if "list" in part.types]
    dicts = [part for part in parts if "dict" in part.types]
    return Annotation(
        tuple(name for name in NAMES if name in types),
        tuple(choice for choice in choices.values() if type(choice).__name__ not in types),
        any(part.takes_none for part in parts), any(part.is_open for part in parts),
        _any_of(lists), _any_of([part.keys for part in dicts]), _any_of([part.values for part in dicts]))


def _any_of(parts: List[Optional[Annotation]]) -> Optional[Annotation]:
    """Return what fits one of several; None stands for anything."""
    known = [part for part in parts if part is not None]
    return _joined(known) if known and len(known) == len(parts) else None


def _name(node: ast.expr) -> str:
    """Return the name of a type or form without its module, as in ``typing.Optional`` or ``t.Optional``."""
    if isinstance(node, ast.Attribute):
        # Another module may define its own `int`.
        return node.attr if node.attr not in _BUILTINS or _name(node.value) in ("builtins", "__builtins__") else ""
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
