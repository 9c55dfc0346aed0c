"""Finds, types and injects the parameters of a notebook, by reading its text only.

No code of a notebook may ever run here; nothing more than `ast.literal_eval` is applied to it. Only checked names and
what `value_source` makes of values are written back to a notebook, never text as it was given.
"""

from __future__ import annotations

import ast
import difflib
import json
import keyword
import re
import unicodedata
import warnings
from dataclasses import dataclass, field, replace
from typing import (
    TYPE_CHECKING,
    Any,
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

from nbexec import value_types
from nbexec.annotations import Annotation, comment_annotation, read_annotation
from nbexec.errors import AsWritten, DefinitionError, InvalidArgumentError, shown
from nbexec.excerpts import TEXT, excerpt
from nbexec.json_values import JsonValueError
from nbexec.run_arguments import RESERVED
from nbexec.secret_values import MASK, SecretValues
from nbexec.value_source import text_of, value_source
from nbexec.value_types import TYPES, ItemError

if TYPE_CHECKING:
    from nbformat import NotebookNode

PARAMETER_TAGS = frozenset({"params", "parameters"})
LITERAL, COMPUTED, NOWHERE = "literal", "computed", "nowhere"
INJECTED_TAG = "injected-parameters"
_FORMATS = {"date": "date", "datetime": "date-time"}  # as OpenAPI calls them

_COMMENT = re.compile(r"\s*(?:[%!][^\n]*\n\s*)*#[^\S\r\n]*nbexec[^\S\r\n]*:[^\S\r\n]*params(?!\S)")
_NO_PARAMETER_CELL = ("this notebook has no parameter cell; to define parameters, tag a code cell `parameters` or "
                      "begin it with the comment `# nbexec: params`")
_DEFINITION = ("expected {'name': {'type': bool, int, float, str, list or dict, 'desc': 'text', "
               "'examples': ['text', ...], 'secret': True}}, where only 'type' is required")

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


class _Unreadable(Exception):
    """The text of a cell cannot be parsed as Python."""

    def __init__(self, line: Optional[int], reason: str) -> None:
        super().__init__(reason)
        self.line = line


# ----------------------------------------------------------------------------------------- parameters


@dataclass(frozen=True)
class Parameter:
    """A parameter that a notebook defines.

    `type` is a key of `TYPES`, and `origin` says where its default comes from: `LITERAL`, `COMPUTED` or `NOWHERE`.
    """

    name: str
    type: str
    default: object = None
    desc: str = ""
    examples: List[str] = field(default_factory=list)
    secret: bool = False
    accepted: Annotation = Annotation()
    origin: str = LITERAL

    def model(self) -> Dict[str, object]:
        """Return the parameter as the API shows it; a default that JSON cannot represent is replaced by its `repr`."""
        default = self.default if _is_json(self.default) else text_of(self.default)
        model: Dict[str, object] = {"name": self.name, "type": self.type, "default": default,
                                    "desc": self.desc or "", "examples": list(self.examples)}
        if self.choices:
            model["choices"] = [choice if _is_json(choice) else text_of(choice) for choice in self.choices]
        if self.accepted.takes_none:
            model["nullable"] = True
        if self.accepted.form:
            model["format"] = _FORMATS[self.accepted.form]
        if self.origin != LITERAL:
            model["computed" if self.origin == COMPUTED else "required"] = True
        if self.secret:
            model.update(default=None if default is None else MASK, secret=True)
        return model

    def effective(self, given: Mapping[str, object]) -> Dict[str, object]:
        """Return the value that a run has, as the execution model shows it; `given` are the values of the request."""
        value = given.get(self.name, self.default)
        is_known = self.name in given or self.origin == LITERAL
        shown_value = value if _is_short_json(value) else excerpt(text_of(value), elsewhere="")
        model: Dict[str, object] = {"name": self.name, "type": self.type, "value": shown_value,
                                    "changed": self.name in given and not self._is_default(value)}
        if self.secret:
            model.update(value=MASK if is_known else None, changed=self.name in given, secret=True)
        if not is_known:
            model["computed" if self.origin == COMPUTED else "required"] = True
        return model

    def _is_default(self, value: object) -> bool:
        return self.origin == LITERAL and type(value) is type(self.default) and value == self.default

    @property
    def choices(self) -> Sequence[object]:
        """The only values that are accepted; empty if others are accepted too."""
        return () if self.accepted.types else self.accepted.choices

    @property
    def _accepted(self) -> Annotation:
        types = () if self.choices else self.accepted.types or (self.type,)
        return replace(self.accepted, types=types)

    def parse(self, text: str, is_structure: bool = False) -> object:
        """Return the value that a text represents, or that the JSON text of a list, an object or null represents.

        Raises
        ------
        ValueError
            The text represents no accepted value.
        """
        accepted = self._accepted
        if is_structure:
            types = tuple(name for name in accepted.types if name in ("list", "dict"))
            accepted = replace(accepted, types=types, choices=())
        return value_types.parse(text, accepted)

    @property
    def expected(self) -> str:
        """What is accepted, in words."""
        return value_types.expected(self._accepted)


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


def _is_short_json(value: object) -> bool:
    return _is_json(value) and len(json.dumps(value)) <= TEXT


# ------------------------------------------------------------------------------------- finding the cell


def parameter_cells(cells: Sequence[Mapping[str, Any]]) -> List[int]:
    """Return the indices of the parameter cells."""
    return [index for index, cell in enumerate(cells) if _is_code(cell)
            and (_COMMENT.match(_source(cell)[:_LONGEST_CELL]) or _tags(cell) & PARAMETER_TAGS)]


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
        None if the notebook has no parameter cell; an empty dict if those that it has define nothing.

    Raises
    ------
    DefinitionError
        A parameter cell cannot be parsed, or its definition is invalid.
    """
    indices = parameter_cells(cells)
    if not indices:
        return None
    trees = {index: _parse_cell(cells[index], index) for index in indices}
    plain: List[ast.stmt] = []
    defined: Dict[str, Parameter] = {}
    names: List[str] = []
    for index, tree in trees.items():
        definition = _definition(tree)
        if definition is None:
            plain += tree.body
            names += [assignment.name for assignment in _assignments(tree)]
            continue
        found = _defined_parameters(definition)
        _refuse_second(found.keys() & defined.keys(), index)
        from_here = [statement for other, below in trees.items() if other >= index for statement in below.body]
        defaults = _defaults(found, _module(from_here), _without_injected(cells[:index]))
        defined.update((name, _with_default(parameter, name in defaults, defaults.get(name)))
                       for name, parameter in found.items())
        names += found
    # What a definition says of a name counts, even if another cell assigns it: it may be a secret.
    parameters = {**_assigned_parameters(_module(plain)), **defined}
    return {name: parameters[name] for name in names if name in parameters}


def reserved_names(cells: Sequence[Mapping[str, Any]]) -> List[str]:
    """Return the names in the parameter cells that cannot be parameters, because requests use them for themselves."""
    found: Dict[str, None] = {}
    for index in parameter_cells(cells):
        names = (assignment.name for assignment in _assignments(_parse_cell(cells[index], index)))
        found.update(dict.fromkeys(name for name in names if name in RESERVED))
    return list(found)


def _refuse_second(names: Collection[str], index: int) -> None:
    """Refuse parameters that are described a second time, in a cell of this index."""
    for name in sorted(names):
        raise _mistake(f"parameter {shown(name)}", f"cell {index + 1} defines it again")


def _module(statements: List[ast.stmt]) -> ast.Module:
    return ast.Module(body=statements, type_ignores=[])


def _parse_cell(cell: Mapping[str, Any], index: int) -> ast.Module:
    try:
        return _parse(_source(cell))
    except _Unreadable as error:
        line = "" if error.line is None else f", line {error.line}"
        raise DefinitionError(f"the parameter cell (cell {index + 1}{line}) cannot be read: {error}") from error


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
        raise _mistake(subject, "'type' is not bool, int, float, str, list or dict")
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
    return list(map(_example, examples.value))


def _example(value: object) -> str:
    """Return an example as a request would send it."""
    if isinstance(value, (list, dict)) and _is_json(value):
        return json.dumps(value, ensure_ascii=False)
    return value if isinstance(value, str) else text_of(value)


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
    defaults = _last_literals(assignments)
    annotations = _annotations(tree)
    parameters: Dict[str, Parameter] = {}
    for name, literal, annotation in assignments:
        if literal is not None and _assignable(name) and name not in RESERVED:
            accepted = _accepted(literal, annotation, annotations.get(name))
            kept = Annotation() if accepted.is_plain else accepted
            parameters[name] = _with_default(Parameter(name, accepted.type, accepted=kept), True, defaults[name])
    return parameters


def _with_default(parameter: Parameter, is_assigned: bool, literal: Optional[_Literal]) -> Parameter:
    """Return a parameter with what is last assigned to it."""
    if literal is None:
        return replace(parameter, origin=COMPUTED if is_assigned else NOWHERE)
    return replace(parameter, default=literal.value)


def _accepted(literal: _Literal, annotation: Optional[ast.expr], declared: Optional[Annotation]) -> Annotation:
    """Return what is accepted according to the annotation, else the declaration of the name, else the literal."""
    said = None if annotation is None else read_annotation(annotation)
    if said is None and declared is not None and declared.fits(literal.value):
        said = declared
    name = type(literal.value).__name__
    if said is None:
        return Annotation((name if name in TYPES else "str",), takes_none=literal.value is None)
    if said.is_open and said.types == ("str",) and name in ("list", "dict"):
        return Annotation((name,), takes_none=said.takes_none)  # an alias or a class that nothing is known of
    return said


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


def _last_literals(assignments: Iterable[_Assignment]) -> Dict[str, Optional[_Literal]]:
    return {name: literal for name, literal, _annotation in assignments}


def _defaults(names: Iterable[str], tree: ast.Module,
              above: Sequence[Mapping[str, Any]]) -> Dict[str, Optional[_Literal]]:
    """Return the last value of each name that is assigned in `tree` or, failing that, in the nearest cell above."""
    defaults: Dict[str, Optional[_Literal]] = {}
    missing = set(names)
    for read in _upwards(tree, above):
        values = _last_literals(_assignments(read))
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


def parse_values(parameters: Optional[Mapping[str, Parameter]], given: Mapping[str, str],
                 structures: Collection[str] = ()) -> Dict[str, object]:
    """Return the given texts converted to the types that the notebook defines, in the given order.

    Parameters
    ----------
    parameters : mapping, optional
        What the notebook defines.
    given : mapping
        The texts by name.
    structures : collection of str
        The names of those that were not given as text, but as a list, an object or null in JSON.
    """
    return {name: _parse_value(parameters, name, text, name in structures) for name, text in given.items()}


def _parse_value(parameters: Optional[Mapping[str, Parameter]], name: str, text: str, is_structure: bool) -> object:
    check_identifier(name, text)
    if parameters is None or name not in parameters:
        raise _unknown(name, text, parameters)
    parameter = parameters[name]
    if parameter.secret and text == MASK:
        raise InvalidArgumentError(name, text, "the value again, because secret values are not stored")
    try:
        return parameter.parse(text, is_structure)
    except ValueError as error:
        # Without the cause, whose text contains the value.
        raise _unfit(parameter, AsWritten(text) if is_structure else text, error) from None


def _unfit(parameter: Parameter, text: str, error: ValueError) -> InvalidArgumentError:
    name, expected = parameter.name, parameter.expected
    if parameter.secret:
        return InvalidArgumentError(name, MASK, expected)
    if isinstance(error, ItemError):
        return InvalidArgumentError(name, text, expected, f"{name}{error}")
    if isinstance(error, JsonValueError):
        return InvalidArgumentError(name, text, expected, f"{name}: expected {expected}, got {shown(text)}: {error}")
    return InvalidArgumentError(name, text, expected)


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
    """Whether one of the values may contain text that is not a choice that the notebook offers."""
    return any(isinstance(value, (str, list, dict)) and value not in (parameters or {})[name].accepted.choices
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
    source = value_source(value)
    if not _assignable(name):
        raise _misnamed(name, source, "a Python identifier that can be assigned to")
    return f"{name} = {source}"


def _assignable(name: str) -> bool:
    """Whether `name = value` assigns to exactly this name."""
    # Python normalizes identifiers to NFKC, which can turn other letters into a keyword such as `if`.
    return (name.isidentifier() and not keyword.iskeyword(name) and name != "__debug__"
            and unicodedata.normalize("NFKC", name) == name)


def inject(nb: NotebookNode, values: Mapping[str, object], secret: Collection[str] = ()) -> SecretValues:
    """Insert a cell that assigns the values below the last parameter cell, and remove all earlier injected cells.

    Returns the secret values, which must not appear in the notebook.
    """
    if not values:
        return SecretValues()
    indices = parameter_cells(nb.cells)
    if not indices:
        raise DefinitionError(_NO_PARAMETER_CELL)
    from nbformat.v4 import new_code_cell  # not at the top: whoever only checks names does without

    cell = new_code_cell(source=injected_source(values, secret), metadata={"tags": [INJECTED_TAG]})
    nb.cells.insert(indices[-1] + 1, cell)
    kept = {*indices, indices[-1] + 1}
    nb.cells[:] = [other for index, other in enumerate(nb.cells) if index in kept or not _is_injected(other)]
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
