"""What a request to run a notebook can ask for: the one definition of its fields.

The names that no parameter may have, the check of a request, what a client sends and the options of the command line
are made from it. The fields of the reference are fields of the form. All others travel as headers, so that no name is
taken away from the notebooks.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Callable, Collection, Dict, List, Mapping, Optional, Tuple, TypedDict

from .errors import InvalidArgumentError

TOKEN = "token"
_FLAGS = {"true": True, "1": True, "false": False, "0": False}


# -- what a value can look like --------------------------------------------------------------------


@dataclass(frozen=True)
class Kind:
    """How a value is written as text.

    Parameters
    ----------
    type : type
        What it is in Python.
    parse : callable
        Makes it of its text, or raises ValueError.
    expected : str
        What is accepted, as it follows the word "expected".
    unit : str
        Of a number.
    format : callable
        Makes text of it.
    """

    type: type
    parse: Callable[[str], Any]
    expected: str
    unit: str = ""
    format: Callable[[Any], str] = str


def _parse_flag(text: str) -> bool:
    try:
        return _FLAGS[text.lower()]
    except KeyError:
        raise ValueError(text) from None


def _parse_seconds(text: str) -> int:
    seconds = int(text) if re.fullmatch("[0-9]{1,4000}", text) else 0  # Python converts no longer ones
    if seconds <= 0:
        raise ValueError(text)
    return seconds


def _parse_interval(text: str) -> int:
    return 0 if re.fullmatch("0{1,4000}", text) else _parse_seconds(text)


def _word(word: str) -> Kind:
    """Return the kind of a flag that is set by one word."""
    def parse(text: str) -> bool:
        if text.strip().lower() != word:
            raise ValueError(text)
        return True

    return Kind(bool, parse, repr(word), format=lambda _: word)


TEXT = Kind(str, str, "text")
FLAG = Kind(bool, _parse_flag, "true, false, 1 or 0", format=lambda value: "true" if value else "false")
SECONDS = Kind(int, _parse_seconds, "a positive integer", unit="seconds")
INTERVAL = Kind(int, _parse_interval, "a positive integer, or 0 for none", unit="seconds")


# -- the fields ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class RequestField:
    """One field of a request.

    Parameters
    ----------
    kind : Kind
        What its values look like.
    name : str
        Its name in `RunArguments`, and in the form.
    header : str, optional
        The header that carries it; without one, it is a field of the form and a key of the execution model.
    needs : str, optional
        The field that has to be given with it.
    option, metavar, help : str, optional
        How the command line shows it.
    """

    kind: Kind
    name: str = ""
    header: str = ""
    needs: str = ""
    option: str = ""
    metavar: Optional[str] = None
    help: str = ""

    @property
    def request_name(self) -> str:
        """The name by which a request has it."""
        return self.header or self.name

    @property
    def expected_alone(self) -> str:
        """What is accepted without the field that it needs."""
        return f"{self.needs} in the same request" if self.header else f"false, unless {self.needs} is given"

    def takes(self, value: object) -> bool:
        """Whether it can have a value, which is None for what was not asked for unless it is a flag."""
        return type(value) is self.kind.type or (value is None and self.kind.type is not bool)

    def parse(self, text: str) -> Any:
        """Return the value that a request gives.

        Raises
        ------
        InvalidArgumentError
            The text is not accepted.
        """
        return parse(self.request_name, text, self.kind)


def parse(name: str, text: str, kind: Kind) -> Any:
    """Return the value in a text.

    Raises
    ------
    InvalidArgumentError
        The text is not accepted; the error calls it `name`.
    """
    try:
        return kind.parse(text)
    except ValueError:
        raise InvalidArgumentError(name, text, kind.expected) from None


def _field(kind: Kind, default: Any, **about: Any) -> Any:
    return field(default=default, metadata={"request": RequestField(kind, **about)})


@dataclass
class RunArguments:
    """What a request asks for.

    Parameters
    ----------
    notebook : str
        API path of the source notebook.
    params : dict
        The notebook parameters, as text: all that is no field of the API.
    output_path : str, optional
        API path that the output notebook is to have.
    overwrite : bool
        Whether a file that is there may be replaced.
    failed_apart : bool
        Whether `output_path` is for the output of a complete execution alone.
    jupyter_kernel : str, optional
        Name of the kernel.
    cell_timeout : int, optional
        Seconds that one cell may take.
    structures : list of str
        The parameters that a JSON body gives as a list, an object or null, and not as text.
    run_timeout : int, optional
        Seconds that all cells may take, if the server does not allow less.
    continue_on_error : bool
        Whether the cells after one that fails are run.
    mark_failure : bool
        Whether the output notebook points to the cell that failed, as papermill's does.
    report_mode : bool
        Whether the output notebook hides the source of its code cells, as papermill's does.
    save_interval : int, optional
        Seconds between two saves of the output notebook while it runs; 0 is none.
    """

    notebook: str
    params: Dict[str, str] = field(default_factory=dict)
    output_path: Optional[str] = _field(
        TEXT, None, option="--output", metavar="PATH",
        help="Path of the executed notebook. Default: NOTEBOOK-Executed<N>.ipynb.")
    overwrite: bool = _field(
        FLAG, False, needs="output_path", option="--overwrite",
        help="Replace --output if it exists, instead of numbering its name.")
    failed_apart: bool = _field(
        _word("apart"), False, header="X-Failed-Output", needs="output_path", option="--failed-apart",
        help="Write --output only if the notebook completes, as make expects. Partial output of a failed execution is "
             "saved as OUTPUT-Failed.ipynb.")
    jupyter_kernel: Optional[str] = _field(
        TEXT, None, option="--kernel", metavar="NAME",
        help="IPython kernel to use. Default: the kernel that the notebook names.")
    cell_timeout: Optional[int] = _field(
        SECONDS, None, option="--timeout", metavar="SECONDS",
        help="Maximum seconds per cell; exceeding it ends the execution.")
    structures: List[str] = field(default_factory=list)
    run_timeout: Optional[int] = _field(
        SECONDS, None, header="X-Run-Timeout", option="--run-timeout", metavar="SECONDS",
        help="Maximum seconds for the whole notebook, unless the server allows less; exceeding it ends the execution.")
    continue_on_error: bool = _field(
        FLAG, False, header="X-Continue-On-Error", option="--continue-on-error",
        help="Run the remaining cells after a cell has failed. The execution fails in the end, and lists those cells.")
    mark_failure: bool = _field(
        _word("papermill"), False, header="X-Mark-Failure", option="--mark-failure",
        help="If a cell fails, begin the executed notebook with a link to that cell, as papermill does.")
    report_mode: bool = _field(
        FLAG, False, header="X-Report-Mode", option="--report-mode",
        help="Hide the source of code cells in the executed notebook, as papermill does.")
    save_interval: Optional[int] = _field(
        INTERVAL, None, header="X-Save-Interval", option="--save-interval", metavar="SECONDS",
        help="Seconds between two saves of the output while the notebook runs; 0 saves it only in the end. Default: "
             "30, unless configured.")

    def model(self) -> Dict[str, Any]:
        """Return what the execution model has of it."""
        return {"path": self.notebook, "params": dict(self.params),
                **{form_field.name: getattr(self, form_field.name) for form_field in FORM_FIELDS}}

    @classmethod
    def from_model(cls, model: Mapping[str, Any]) -> RunArguments:
        """Return the arguments that an execution model has."""
        return cls(model["path"], model["params"],
                   **{form_field.name: model[form_field.name] for form_field in FORM_FIELDS})

    def form(self) -> Dict[str, str]:
        """Return them as a form; what was not asked for is left out."""
        return {**self.params, "notebook": self.notebook, **self._texts(FORM_FIELDS)}

    def headers(self) -> Dict[str, str]:
        """Return those that travel as headers; what was not asked for is left out."""
        return self._texts(HEADER_FIELDS)

    def _texts(self, of: Collection[RequestField]) -> Dict[str, str]:
        values = ((request_field, getattr(self, request_field.name)) for request_field in of)
        return {request_field.request_name: request_field.kind.format(value)
                for request_field, value in values if value is not None and value is not False}

    def digest(self, without: Collection[str] = ()) -> str:
        """Return a text that is the same for the same arguments, and does not give them away.

        Parameters
        ----------
        without : collection of str
            Names of parameters whose values do not count. Few values are possible for some secrets, and all of them
            could be tried.
        """
        arguments = {**asdict(self), "params": {name: None if name in without else value
                                                for name, value in self.params.items()}}
        if not self.structures:
            del arguments["structures"]  # digests from before there were any remain valid
        digest = hashlib.sha256(json.dumps(arguments, sort_keys=True).encode("ascii")).hexdigest()
        return " ".join([digest, *sorted(without)])

    def has_digest(self, digest: str) -> bool:
        """Whether these may be the arguments that `digest` was made of."""
        return self.digest(digest.split()[1:]) == digest


class RunOptions(TypedDict, total=False):
    """The fields that Python programs give as keywords, for type checkers; those with a default in `RunArguments`."""

    overwrite: bool
    failed_apart: bool
    jupyter_kernel: Optional[str]
    cell_timeout: Optional[int]
    run_timeout: Optional[int]
    continue_on_error: bool
    mark_failure: bool
    report_mode: bool
    save_interval: Optional[int]


REQUEST_FIELDS: Tuple[RequestField, ...] = tuple(
    replace(each.metadata["request"], name=each.name) for each in fields(RunArguments) if "request" in each.metadata)
FORM_FIELDS = tuple(each for each in REQUEST_FIELDS if not each.header)
HEADER_FIELDS = tuple(each for each in REQUEST_FIELDS if each.header)
FORM_NAMES = frozenset({"notebook", *(each.name for each in FORM_FIELDS)})
RESERVED = FORM_NAMES | {TOKEN}  # names that no notebook parameter can have
