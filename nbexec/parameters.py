"""Finds, types and injects the parameters of a notebook, by reading its text only.

No code of a notebook may ever run here; nothing more than `ast.literal_eval` is applied to it. Only checked names and
the `repr` of a bool, an int, a float or a str are written back to a notebook, never text as it was given.
"""

from __future__ import annotations

import ast
import difflib
import json
import keyword
import math
import re
import unicodedata
import warnings
from dataclasses import dataclass, field, replace
from typing import (
    Any,
    Callable,
    Collection,
    Dict,
    Iterable,
    Iterator,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Sequence,
    Set,
    Tuple,
    Union,
)

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from nbexec.annotations import Annotation, comment_annotation, read_annotation
from nbexec.errors import DefinitionError, InvalidArgumentError, shown
from nbexec.run_arguments import RESERVED
from nbexec.secret_values import MASK, SecretValues

PARAMETER_TAGS = frozenset({"params", "parameters"})
INJECTED_TAG = "injected-parameters"

_COMMENT = re.compile(r"\s*(?:[%!][^\n]*\n\s*)*#[^\S\r\n]*nbexec[^\S\r\n]*:[^\S\r\n]*params(?!\S)")
_NO_PARAMETER_CELL = ("this notebook has no parameter cell; to define parameters, tag a code cell `parameters` or "
                      "begin it with the comment `# nbexec: params`")
_DEFINITION = ("expected {'name': {'type': bool, int, float or str, 'desc': 'text', 'examples': ['text', ...], "
               "'secret': True}}, where only 'type' is required")

# Limits on what a notebook may cost. On Python 3.8, `ast.parse` overflows the C stack, and so kills the process, on
# about 300,000 characters of `a.b.b.b…`. IPython tokenizes the whole cell again for each line that it rewrites, at
# 3 µs per character, and the tokenizer of Python 3.12 is quadratic in the length of a line. A cell of 100,000
# characters with 490 lines `%a` took 228 s.
_LONGEST_CELL = 100_000  # characters
_HIGHEST_COST = 300_000  # characters to tokenize, about a second
_REWRITTEN = re.compile(r"^[^\S\n]*[%!?,;/]|=[^\S\n]*[%!]|\?[^\S\n]*$", re.MULTILINE)

# Cell magics whose content is not Python, or runs elsewhere; all others run their content in the kernel.
_CELL_MAGIC = re.compile(r"\s*%%(\w+)[^\n]*")
_FOREIGN = frozenset("""HTML SVG bash bigquery cmd cython fortran file html javascript js julia latex markdown octave
    perl powershell pypy python python2 python3 R ruby scala script sh sql svg system sx writefile""".split())
_TYPE_COMMENT = re.compile(r"#\s*type:")

_ODD_CHARACTER = re.compile("[\0\ud800-\udfff]")

_LONGEST_DECIMAL = 2048  # bits: Python's limit on the digits of an int cannot be set lower than that


class _Unreadable(Exception):
    """The text of a cell cannot be parsed as Python."""

    def __init__(self, line: Optional[int], reason: str) -> None:
        super().__init__(reason)
        self.line = line


# ---------------------------------------------------------------------------------------------- types

_BOOLS = {"True": True, "False": False, "true": True, "false": False, "1": True, "0": False}


def _bool(text: str) -> bool:
    if text not in _BOOLS:
        raise ValueError(f"not a bool: {shown(text)}")
    return _BOOLS[text]


def _int(text: str) -> int:
    return int(text, 0)


TYPES: Dict[str, Callable[[str], object]] = {"bool": _bool, "int": _int, "float": float, "str": str}

_EXPECTED = {
    "bool": "a bool (" + ", ".join(_BOOLS) + ")",
    "int": "an int as accepted by Python's int(value, 0), such as 42, -7, 1_000 or 0x2a",
    "float": "a float as accepted by Python's float(value), such as 0.5, -2, 1e-3, inf or nan",
    "str": "any text",
}


@dataclass(frozen=True)
class Parameter:
    """A parameter that a notebook defines; `type` is a key of `TYPES`."""

    name: str
    type: str
    default: object = None
    desc: str = ""
    examples: List[str] = field(default_factory=list)
    secret: bool = False
    accepted: Annotation = Annotation()

    def model(self) -> Dict[str, object]:
        """Return the parameter as the API shows it; a default that JSON cannot represent is replaced by its `repr`."""
        default = self.default if _is_json(self.default) else _text(self.default)
        model = {"name": self.name, "type": self.type, "default": default, "desc": self.desc or "",
                 "examples": list(self.examples)}
        if self.choices:
            model["choices"] = [choice if _is_json(choice) else _text(choice) for choice in self.choices]
        if self.secret:
            model.update(default=None if default is None else MASK, secret=True)
        return model

    @property
    def choices(self) -> Sequence[object]:
        """The only values that are accepted; empty if others are accepted too."""
        return () if self.accepted.types else self.accepted.choices

    def parse(self, text: str) -> object:
        """Return the value that a text represents.

        Raises
        ------
        ValueError
            The text represents no accepted value.
        """
        for choice in self.accepted.choices:
            if _is_written(choice, text):
                return choice
        if self.choices:
            raise ValueError(f"not one of the choices: {shown(text)}")
        return _parse_as(self.accepted.types or (self.type,), text)

    @property
    def expected(self) -> str:
        """What is accepted, in words."""
        types = () if self.choices else self.accepted.types or (self.type,)
        choices = ", ".join(map(_text_of, self.accepted.choices))
        return ", or ".join([*([f"one of {choices}"] if choices else []), *(_EXPECTED[name] for name in types)])


def _text_of(choice: object) -> str:
    return choice if isinstance(choice, str) else _text(choice)


def _is_written(choice: object, text: str) -> bool:
    try:
        return TYPES[type(choice).__name__](text) == choice
    except ValueError:
        return False


def _parse_as(types: Sequence[str], text: str) -> object:
    """Return the value in the first type that accepts the text; a number is not a bool if it can be an int."""
    for name in types[:-1]:
        try:
            if name != "bool" or text.isalpha():
                return TYPES[name](text)
        except ValueError:
            pass
    return TYPES[types[-1]](text)


def _is_json(value: object) -> bool:
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_json(item) for key, item in value.items())
    if isinstance(value, list):
        return all(map(_is_json, value))
    if value is not None and not isinstance(value, (bool, int, float, str)):
        return False
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:  # inf, nan, or an int with more digits than Python converts to text
        return False
    return True


def _text(value: object) -> str:
    """Return the `repr` of a literal, even if it has an int beyond the limit on digits."""
    if isinstance(value, int):
        return _int_source(value)
    try:
        return repr(value)
    except ValueError:
        return f"<{type(value).__name__} with an int that is too long to show>"


# ------------------------------------------------------------------------------------- finding the cell


def parameter_cell(cells: Sequence[Mapping[str, Any]]) -> Optional[int]:
    """Return the index of the parameter cell, None if there is none."""
    for index, cell in enumerate(cells):
        if _is_code(cell) and (_COMMENT.match(_source(cell)[:_LONGEST_CELL]) or _tags(cell) & PARAMETER_TAGS):
            return index
    return None


def _is_code(cell: Mapping[str, Any]) -> bool:
    return cell.get("cell_type") == "code"


def _source(cell: Mapping[str, Any]) -> str:
    source = cell.get("source")
    return source if isinstance(source, str) else ""


def _tags(cell: Mapping[str, Any]) -> Set[str]:
    metadata = cell.get("metadata")
    tags = metadata.get("tags") if isinstance(metadata, Mapping) else None
    return {tag for tag in tags if isinstance(tag, str)} if isinstance(tags, list) else set()


# --------------------------------------------------------------------------------- reading the definition


def read_parameters(cells: Sequence[Mapping[str, Any]]) -> Optional[Dict[str, Parameter]]:
    """Return the parameters by name, in the order of their definition.

    Returns
    -------
    dict or None
        None if the notebook has no parameter cell; an empty dict if that cell defines nothing.

    Raises
    ------
    DefinitionError
        The parameter cell cannot be parsed, or its definition is invalid.
    """
    index = parameter_cell(cells)
    if index is None:
        return None
    try:
        tree = _parse(_source(cells[index]))
    except _Unreadable as error:
        line = "" if error.line is None else f", line {error.line}"
        raise DefinitionError(f"the parameter cell (cell {index + 1}{line}) cannot be read: {error}") from error
    definition = _definition(tree)
    if definition is None:
        return _assigned_parameters(tree)
    parameters = _defined_parameters(definition)
    defaults = _defaults(parameters, tree, _without_injected(cells[:index]))
    return {name: replace(parameter, default=defaults.get(name)) for name, parameter in parameters.items()}


_Mapping = Union[ast.Dict, ast.Call]


def _as_mapping(node: ast.AST) -> Optional[_Mapping]:
    """Return `node` if it is a dict display or a `dict(...)` call."""
    if isinstance(node, ast.Dict):
        return node
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "dict":
        return node
    return None


def _definition(tree: ast.Module) -> Optional[_Mapping]:
    last = tree.body[-1] if tree.body else None
    return _as_mapping(last.value) if isinstance(last, ast.Expr) else None


def _defined_parameters(definition: _Mapping) -> Dict[str, Parameter]:
    entries = _items(definition, "the definition of the parameters")
    return {name: _defined_parameter(name, node) for name, node in entries.items()}


def _defined_parameter(name: str, node: ast.expr) -> Parameter:
    subject = f"parameter {shown(name)}"
    if name in RESERVED:
        raise _mistake(subject, "the name is reserved")
    if not _assignable(name):
        raise _mistake(subject, "the name is not a Python identifier that can be assigned to")
    mapping = _as_mapping(node)
    if mapping is None:
        raise _mistake(subject, "not described by a dict")
    entry = _items(mapping, subject)
    for key in entry:
        if key not in ("type", "desc", "examples", "secret"):
            raise _mistake(subject, f"unknown key {shown(key)}")
    if "type" not in entry:
        raise _mistake(subject, "'type' is missing")
    return Parameter(name, _type(entry["type"], subject), None, _desc(entry.get("desc"), subject),
                     _examples(entry.get("examples"), subject), _secret(entry.get("secret"), subject))


def _items(mapping: _Mapping, subject: str) -> Dict[str, ast.expr]:
    """Return the items of a dict display or call; each name must be a constant and occur once."""
    items: Dict[str, ast.expr] = {}
    for name, value in _pairs(mapping, subject):
        if name is None:
            raise _mistake(subject, "contains a name that is not a string literal (or uses **)")
        if name in items:
            raise _mistake(subject, f"contains {shown(name)} twice")
        items[name] = value
    return items


def _pairs(mapping: _Mapping, subject: str) -> Iterable[Tuple[Optional[str], ast.expr]]:
    if isinstance(mapping, ast.Dict):
        return zip(map(_constant_str, mapping.keys), mapping.values)
    if mapping.args:
        raise _mistake(subject, "calls dict() with a positional argument")
    return [(argument.arg, argument.value) for argument in mapping.keywords]


def _constant_str(node: Optional[ast.AST]) -> Optional[str]:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _type(node: ast.expr, subject: str) -> str:
    name = _type_name(node)
    if name not in TYPES:
        raise _mistake(subject, "'type' is not bool, int, float or str")
    return name


def _type_name(node: ast.expr) -> str:
    """Return the name in `node`, which may be a name or a string; otherwise an empty string."""
    return node.id if isinstance(node, ast.Name) else _constant_str(node) or ""


def _desc(node: Optional[ast.expr], subject: str) -> str:
    desc = "" if node is None else _constant_str(node)
    if desc is None:
        raise _mistake(subject, "'desc' is not a string literal")
    return desc


def _examples(node: Optional[ast.expr], subject: str) -> List[str]:
    if node is None:
        return []
    examples = _literal(node) if isinstance(node, ast.List) else None
    if examples is None:
        raise _mistake(subject, "'examples' is not a list of string literals")
    return [example if isinstance(example, str) else _text(example) for example in examples.value]


def _secret(node: Optional[ast.expr], subject: str) -> bool:
    literal = _Literal(False) if node is None else _literal(node)
    if literal is None or not isinstance(literal.value, bool):
        raise _mistake(subject, "'secret' is not True or False")
    return literal.value


def _mistake(subject: str, problem: str) -> DefinitionError:
    return DefinitionError(f"{subject}: {problem}; {_DEFINITION}")


# --------------------------------------------------------------------------------------- assignments


class _Literal(NamedTuple):
    value: Any


class _Assignment(NamedTuple):
    name: str
    literal: Optional[_Literal] = None  # None if the value is only known by running the cell
    annotation: Optional[ast.expr] = None


def _assigned_parameters(tree: ast.Module) -> Dict[str, Parameter]:
    assignments = list(_assignments(tree))
    defaults = _last_values(assignments)
    annotations = _annotations(tree)
    parameters: Dict[str, Parameter] = {}
    for name, literal, annotation in assignments:
        if literal is not None and _assignable(name) and name not in RESERVED:
            accepted = _accepted(literal, annotation, annotations.get(name))
            kept = accepted if len(accepted.types) != 1 or accepted.choices else Annotation()
            parameters[name] = Parameter(name, accepted.type, defaults[name], accepted=kept)
    return parameters


def _accepted(literal: _Literal, annotation: Optional[ast.expr], declared: Optional[Annotation]) -> Annotation:
    """Return what is accepted according to the annotation, else the declaration of the name, else the literal."""
    said = None if annotation is None else read_annotation(annotation)
    if said is None and declared is not None and declared.fits(literal.value):
        said = declared
    if said is not None:
        return said
    name = type(literal.value).__name__
    return Annotation((name if name in TYPES else "str",))


def _annotations(tree: ast.Module) -> Dict[str, Annotation]:
    """Return the declared types of names, with or without a value; the first declaration counts."""
    declared: Dict[str, Annotation] = {}
    for statement in tree.body:
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            annotation = read_annotation(statement.annotation)
            if annotation is not None:
                declared.setdefault(statement.target.id, annotation)
    return declared


def _assignments(tree: ast.Module) -> Iterator[_Assignment]:
    """Yield the assignments at the top level of the cell, in order."""
    for statement in tree.body:
        if isinstance(statement, ast.Assign):
            literal = _literal(statement.value)
            annotation = comment_annotation(statement.type_comment)
            for target in statement.targets:
                yield from _targets(target, literal, annotation)
        elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name) and statement.value:
            yield _Assignment(statement.target.id, _literal(statement.value), statement.annotation)
        elif isinstance(statement, ast.AugAssign) and isinstance(statement.target, ast.Name):
            yield _Assignment(statement.target.id)


def _targets(target: ast.expr, literal: Optional[_Literal],
             annotation: Optional[ast.expr]) -> Iterator[_Assignment]:
    if isinstance(target, ast.Name):
        yield _Assignment(target.id, literal, annotation)
        return
    for node in ast.walk(target):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield _Assignment(node.id)


def _literal(node: ast.expr) -> Optional[_Literal]:
    try:
        return _Literal(ast.literal_eval(node))
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError, SystemError):
        return None


def _last_values(assignments: Iterable[_Assignment]) -> Dict[str, object]:
    return {name: None if literal is None else literal.value for name, literal, _annotation in assignments}


def _defaults(names: Iterable[str], tree: ast.Module, above: Sequence[Mapping[str, Any]]) -> Dict[str, object]:
    """Return the last value of each name that is assigned in `tree` or, failing that, in the nearest cell above."""
    defaults: Dict[str, object] = {}
    missing = set(names)
    for read in _upwards(tree, above):
        values = _last_values(_assignments(read))
        defaults.update((name, values[name]) for name in missing & values.keys())
        missing -= values.keys()
        if not missing:
            break
    return defaults


def _upwards(tree: ast.Module, above: Sequence[Mapping[str, Any]]) -> Iterator[ast.Module]:
    yield tree
    for cell in reversed(above):
        if _is_code(cell):
            try:
                yield _parse(_source(cell))
            except _Unreadable:
                continue  # leave it to the kernel to run or to reject this cell


# ------------------------------------------------------------------------------------- text to tree


def _parse(source: str) -> ast.Module:
    """Return the syntax tree of a cell, which may contain IPython's own syntax."""
    if len(source) > _LONGEST_CELL:
        raise _Unreadable(None, f"it has more than {_LONGEST_CELL:,} characters")
    magic = _CELL_MAGIC.match(source)
    if magic and magic[1] not in _FOREIGN:
        source = "\n" * magic[0].count("\n") + source[magic.end():]
    with warnings.catch_warnings():  # affects the whole process, so not safe in several threads
        warnings.simplefilter("ignore")
        try:
            return _parse_python(source)
        except _Unreadable:
            rewritten = _rewritten(source)
            if rewritten is None:
                raise
        try:
            return _parse_python(rewritten)
        except _Unreadable as error:
            if error.line is not None:
                error.line += _leading_empty_lines(source)
            raise


def _parse_python(source: str) -> ast.Module:
    if _TYPE_COMMENT.search(source):
        try:
            return ast.parse(source, type_comments=True)
        except (SyntaxError, ValueError, RecursionError, MemoryError, SystemError):
            pass  # perhaps only because of such a comment in the wrong place
    try:
        return ast.parse(source)
    except SyntaxError as error:
        raise _Unreadable(error.lineno or _line_of_odd_character(source), error.msg) from error
    except ValueError as error:
        raise _Unreadable(_line_of_odd_character(source), str(error)) from error
    except (RecursionError, MemoryError, SystemError) as error:
        raise _Unreadable(None, "it is nested too deeply") from error


def _line_of_odd_character(source: str) -> Optional[int]:
    """Return the line of the first NUL or lone surrogate, which Python rejects without its position."""
    odd = _ODD_CHARACTER.search(source)
    return source.count("\n", 0, odd.start()) + 1 if odd else None


def _rewritten(source: str) -> Optional[str]:
    """Return the cell in plain Python, as IPython would rewrite it; None if that is not possible."""
    if _cost_of_rewriting(source) > _HIGHEST_COST:
        return None
    from IPython.core.inputtransformer2 import TransformerManager  # slow to import, and rarely needed

    try:
        return TransformerManager().transform_cell(source)
    except Exception:  # it may raise anything on odd text, and then the cell just stays unread
        return None


def _cost_of_rewriting(source: str) -> int:
    once = sum(len(line) + len(line) ** 2 // 1000 for line in source.splitlines())
    return once * (1 + len(_REWRITTEN.findall(source)))


def _leading_empty_lines(source: str) -> int:
    """Return the number of lines that IPython drops from the top of the cell."""
    return source[:len(source) - len(source.lstrip())].count("\n")


# ------------------------------------------------------------------------------------------- values


def parse_values(parameters: Optional[Mapping[str, Parameter]], given: Mapping[str, str]) -> Dict[str, object]:
    """Return the given texts converted to the types that the notebook defines, in the given order."""
    return {name: _parse_value(parameters, name, text) for name, text in given.items()}


def _parse_value(parameters: Optional[Mapping[str, Parameter]], name: str, text: str) -> object:
    check_identifier(name, text)
    if parameters is None or name not in parameters:
        raise _unknown(name, text, parameters)
    parameter = parameters[name]
    if parameter.secret and text == MASK:
        raise InvalidArgumentError(name, text, "the value again, because secret values are not stored")
    try:
        return parameter.parse(text)
    except ValueError:
        # Without the cause, whose text contains the value.
        raise InvalidArgumentError(name, MASK if parameter.secret else text, parameter.expected) from None


def check_identifier(name: str, value: object) -> None:
    """Raise InvalidArgumentError unless a parameter can have this name."""
    if not name.isidentifier():
        raise _misnamed(name, value, "a Python identifier")


def _misnamed(name: str, value: object, expected: str) -> InvalidArgumentError:
    return InvalidArgumentError(name, value, expected, f"parameter name: expected {expected}, got {shown(name)}")


def _unknown(name: str, text: str, parameters: Optional[Mapping[str, Parameter]]) -> InvalidArgumentError:
    known = [*parameters] if parameters else []
    if parameters is None:
        expected = _NO_PARAMETER_CELL
    elif not known:
        expected = "the parameter cell of this notebook defines none"
    else:
        close = difflib.get_close_matches(name, known, n=1)
        expected = f"this notebook defines {', '.join(known)}" + (f"; did you mean {close[0]}?" if close else "")
    # The name may be that of a secret parameter, misspelt.
    value = MASK if any(parameter.secret for parameter in (parameters or {}).values()) else text
    return InvalidArgumentError(name, value, expected,
                                f"unknown parameter {shown(name)} (value {shown(value)}); {expected}")


def have_text(parameters: Optional[Mapping[str, Parameter]], values: Mapping[str, object]) -> bool:
    """Whether one of the values is free text, rather than a choice that the notebook offers."""
    return any(isinstance(value, str) and value not in (parameters or {})[name].accepted.choices
               for name, value in values.items())


def secret_names(parameters: Optional[Mapping[str, Parameter]], names: Iterable[str]) -> List[str]:
    """Return the names of the secret parameters among the given names."""
    return [name for name in names if parameters is not None and parameters[name].secret]


# ---------------------------------------------------------------------------------------- injection


def injected_source(values: Mapping[str, object], secret: Collection[str] = ()) -> str:
    """Return the source of a cell that assigns the values; secret ones are only mentioned in comments."""
    # `float` itself comes last, because the other lines may need it for inf and nan.
    names = sorted(values, key=lambda name: name == "float")
    return "\n".join(["# Parameters", *(f"# {name} = {MASK} (secret)" if name in secret else _line(name, values[name])
                                        for name in names)])


def _line(name: str, value: object) -> str:
    source = _value_source(value)
    if not _assignable(name):
        raise _misnamed(name, source, "a Python identifier that can be assigned to")
    return f"{name} = {source}"


def _value_source(value: object) -> str:
    # Exact types only: the `repr` of a subclass may be any text.
    if type(value) is float:
        return repr(value) if math.isfinite(value) else f"float({str(value)!r})"
    if type(value) is int:
        return _int_source(value)
    if type(value) in (bool, str):
        return repr(value)
    raise TypeError(f"expected a bool, an int, a float or a str, got {shown(value)}")


def _int_source(value: int) -> str:
    return repr(value) if value.bit_length() <= _LONGEST_DECIMAL else hex(value)


def _assignable(name: str) -> bool:
    """Whether `name = value` assigns to exactly this name."""
    # Python normalizes identifiers to NFKC, which can turn other letters into a keyword such as `if`.
    return (name.isidentifier() and not keyword.iskeyword(name) and name != "__debug__"
            and unicodedata.normalize("NFKC", name) == name)


def inject(nb: NotebookNode, values: Mapping[str, object], secret: Collection[str] = ()) -> SecretValues:
    """Insert a cell that assigns the values right below the parameter cell, and remove all earlier injected cells.

    Returns the secret values, which must not appear in the notebook.
    """
    if not values:
        return SecretValues()
    index = parameter_cell(nb.cells)
    if index is None:
        raise DefinitionError(_NO_PARAMETER_CELL)
    cell = new_code_cell(source=injected_source(values, secret), metadata={"tags": [INJECTED_TAG]})
    above, below = nb.cells[:index], nb.cells[index + 1:]
    nb.cells[:] = [*_without_injected(above), nb.cells[index], cell, *_without_injected(below)]
    if not secret:
        return SecretValues()
    hidden = {name: values[name] for name in secret}
    return SecretValues(list(hidden.values()), injected_source(hidden), cell["id"])


def _without_injected(cells: Iterable[Any]) -> List[Any]:
    return [cell for cell in cells if not _is_injected(cell)]


def _is_injected(cell: Mapping[str, Any]) -> bool:
    return _is_code(cell) and INJECTED_TAG in _tags(cell)


def has_injected_text(nb: NotebookNode) -> bool:
    """Whether a cell injected by an earlier execution assigns text."""
    return any(_has_text(_source(cell)) for cell in nb.cells if _is_injected(cell))


def _has_text(source: str) -> bool:
    try:
        tree = _parse_python(source[:_LONGEST_CELL])
    except _Unreadable:
        return True
    return any(isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes)) for node in ast.walk(tree))
