"""What a user may choose: each setting once, with its type, bounds, default and help.

The command line, the environment, configuration files and the library take their settings from
here. Nothing heavy is imported.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Literal,
    TypeAlias,
    TypedDict,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

import msgspec
from msgspec import Meta

from softcheck.errors import UsageError, did_you_mean, printable

Reduction: TypeAlias = Literal["sum", "none", "mean", "mean-all", "weighted-mean"]
CriticChoice: TypeAlias = Literal["min", "mean", "first"]
Dtype: TypeAlias = Literal["float64", "float32", "bfloat16", "float16"]
KernelChoice: TypeAlias = Literal["auto", "numpy", "compiled"]
EngineName: TypeAlias = Literal["local", "dask"]
OutputFormat: TypeAlias = Literal[
    "text", "concise", "json", "junit", "github", "gitlab", "sarif", "markdown", "html"
]

Heading: TypeAlias = Literal["Arguments", "Arrays", "Verdict", "Report", "Run"]
"""Under which `--help` has an option, in this order: "Verdict" if a verdict depends on it."""

Whole: TypeAlias = Annotated[int, Meta(description="a whole number")]
Natural: TypeAlias = Annotated[
    int, Meta(ge=0, le=2**63 - 1, description="a whole number of at least 0, below 2^63")
]
Positive: TypeAlias = Annotated[int, Meta(ge=1, description="a whole number of at least 1")]
ThreadCount: TypeAlias = Annotated[
    int, Meta(ge=1, le=1024, description="a whole number of at least 1, at most 1024")
]
Factor: TypeAlias = Annotated[
    float, Meta(ge=0.001, le=1000, description="a number from 0.001 to 1000")
]
Number: TypeAlias = Annotated[float, Meta(description="a number")]
Switch: TypeAlias = Annotated[bool, Meta(description="true or false")]
Place: TypeAlias = Annotated[str, Meta(min_length=1, description='a path such as "run.npz::q"')]
Source: TypeAlias = Annotated[
    str,
    Meta(min_length=1, description='a loss such as "cross-entropy", "paper.tex::L" or a formula'),
]
Code: TypeAlias = Annotated[str, Meta(min_length=1, description='a code such as "missing-alpha"')]
Address: TypeAlias = Annotated[
    str, Meta(min_length=1, description='an address such as "tcp://127.0.0.1:8786"')
]
Places: TypeAlias = Annotated[list[Place], Meta(min_length=1, description="a list of them")]
ReportFiles: TypeAlias = Annotated[
    list[str], Meta(min_length=1, description='a list such as ["junit:softcheck.xml"]')
]
ArrayPlaces: TypeAlias = Annotated[
    dict[str, Number | Place],
    Meta(min_length=1, description='a table such as { labels = "run.npz::y", beta = 0.1 }'),
]
Names: TypeAlias = Annotated[
    dict[str, str], Meta(description='a table such as { grad = "actor_grad" }')
]

BLOCK_ENTRIES = 122_880
"""Entries of a block: NumPy calls so long that two threads seldom wait for the interpreter, and
the twenty or so buffers of a thread are still in the processor's cache."""


@dataclass(frozen=True)
class Option:
    """How a setting is offered to people.

    Parameters
    ----------
    help : str
        What it does, in one line.
    heading : str
        Under which `--help` has it; see `Heading`.
    metavar : str
        What stands for its value there; by default its choices.
    default : str
        What its default amounts to, where the value does not say.
    variable : bool
        Whether an environment variable sets it: so for how softcheck runs, not for what data mean.
    place : bool
        Whether it holds paths, which in a file are relative to the file's folder.
    flag : bool or str
        Whether the command line has it, or under which other name: one for each part of a table.
    """

    help: str
    heading: Heading
    metavar: str = ""
    default: str = ""
    variable: bool = False
    place: bool = False
    flag: bool | str = True

    @property
    def reported(self) -> bool:
        """Whether the report shows it."""
        return self.heading == "Verdict"


@dataclass(frozen=True)
class Setting:
    """A setting by its name: what there is to know about it in one record."""

    name: str
    type: Any
    default: Any
    option: Option

    @property
    def flag(self) -> str:
        """The option of the command line."""
        name = self.option.flag if isinstance(self.option.flag, str) else self.name
        return f"--{name.replace('_', '-')}"

    @property
    def variable(self) -> str | None:
        """The environment variable, where there is one."""
        return f"SOFTCHECK_{self.name.upper()}" if self.option.variable else None

    @property
    def choices(self) -> tuple[str, ...]:
        """The values there are to choose from, if it is a choice."""
        return get_args(self.type) if get_origin(self.type) is Literal else ()

    @property
    def is_switch(self) -> bool:
        """Whether it is on or off."""
        return bool(self.type == Switch)

    @property
    def is_list(self) -> bool:
        """Whether it may have several values."""
        return not {Places, ReportFiles, ArrayPlaces}.isdisjoint(_parts(self.type))

    @property
    def is_table(self) -> bool:
        """Whether its values have names; on a command line each is written NAME=VALUE."""
        return bool(self.type == ArrayPlaces)

    @property
    def expected(self) -> str:
        """The values that are allowed, in words."""
        if self.choices:
            return f"one of {', '.join(self.choices)}"
        return " or ".join(_words(part) for part in _parts(self.type))

    def read(self, value: object, where: str, *, text: bool = False) -> Any:
        """Return a value as the setting's type has it.

        Parameters
        ----------
        value : object
            From Python or a file; or with `text` from a command line.
        where : str
            Its place, for messages.
        text : bool
            Whether numbers come as text.

        Raises
        ------
        UsageError
            If it is not one of the allowed values.
        """
        plain: Any = value
        if hasattr(value, "item") and not isinstance(value, type):  # a number of NumPy's
            plain = value.item()
        if text and self.is_table:
            plain = _named_values(plain, where)
        try:
            return msgspec.convert(plain, self.type, strict=not text)
        except msgspec.ValidationError as error:
            given = ", ".join(plain) if text and isinstance(plain, list) else str(plain)
            found = f"'{given}'" if text else spelled(plain)
            hint = did_you_mean(str(plain), self.choices, "Change it.")
            raise UsageError(where, found, self.expected, hint) from error


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a user may choose about a verification.

    Each field says beside its type what it does. `block_entries` is about how many entries are
    verified at once; no result depends on it.
    """

    reduction: Annotated[Reduction, Option("Reduction over states", "Verdict")] = "sum"
    critics: Annotated[CriticChoice, Option("How critics make one Q", "Verdict")] = "min"
    compute_dtype: Annotated[
        Dtype | None,
        Option("Precision it was computed in", "Verdict", "DTYPE", "that of the dump"),
    ] = None
    grad_dtype: Annotated[
        Dtype | None,
        Option("Precision it was rounded to", "Verdict", "DTYPE", "as in its file"),
    ] = None
    tolerance_factor: Annotated[
        Factor, Option("Multiplies the tolerance of what was dumped", "Verdict", "X")
    ] = 1.0
    samples: Annotated[
        Natural, Option("Also estimate from N actions drawn a state", "Verdict", "N")
    ] = 0
    seed: Annotated[Natural, Option("Seed of whatever is drawn", "Verdict", "N")] = 0
    strict: Annotated[Switch, Option("Fail on blind entries and on notes", "Verdict")] = False
    require_gradient: Annotated[Switch, Option("Refuse a case without a gradient", "Verdict")] = (
        False
    )
    expect: Annotated[
        Code | None,
        Option("The mistake that it must fail with, by its code", "Verdict", "CODE", flag=False),
    ] = None
    max_findings: Annotated[
        Positive, Option("Findings listed for each check", "Report", "N", variable=True)
    ] = 5
    threads: Annotated[
        ThreadCount | None,
        Option("Threads to work on", "Run", "N", "one for each core", variable=True),
    ] = None
    kernel: Annotated[KernelChoice, Option("What runs the checks", "Run", variable=True)] = "auto"
    block_entries: int = BLOCK_ENTRIES

    def __post_init__(self) -> None:
        for setting in settings_of(Settings).values():
            value = getattr(self, setting.name)
            if value is not None or setting.default is not None:
                object.__setattr__(self, setting.name, setting.read(value, setting.name))


class Choices(TypedDict, total=False):
    """The settings of a verification as keyword arguments, for whoever checks types."""

    reduction: Reduction
    critics: CriticChoice
    compute_dtype: Dtype | None
    grad_dtype: Dtype | None
    tolerance_factor: float
    samples: int
    seed: int
    threads: int | None
    kernel: KernelChoice
    max_findings: int
    strict: bool
    require_gradient: bool
    expect: str | None


class General:
    """What is chosen for a run, not for a case."""

    output_format: Annotated[
        OutputFormat | None,
        Option("Form", "Report", variable=True),
    ] = None
    engine: Annotated[
        EngineName, Option("Threads here, or a Dask cluster", "Run", variable=True)
    ] = "local"
    scheduler: Annotated[
        Address | None,
        Option("A running Dask cluster", "Run", "ADDRESS", "one of this machine", variable=True),
    ] = None
    report: Annotated[
        ReportFiles | None, Option("Write the report to a file too", "Report", "FORM:FILE")
    ] = None


class Document:
    """What goes with a derivation. `derive` and `derive_report` are keys of a configuration file.

    `report` there is that of `verify`: one file cannot hold what both commands say.
    """

    givens: Annotated[
        Place | None,
        Option("Definitions that outrank the document's", "Run", "FILE", place=True),
    ] = None
    derive: Annotated[
        Places | None, Option("The documents, where none is named", "Run", "FILE", flag=False)
    ] = None
    derive_report: Annotated[
        ReportFiles | None,
        Option("Write the report of derive to a file too", "Report", "FORM:FILE", flag=False),
    ] = None


@cache
def settings_of(*owners: type) -> Mapping[str, Setting]:
    """Return the settings that classes declare, by name."""
    return {name: setting for owner in owners for name, setting in _declared(owner).items()}


@cache
def _declared(owner: type) -> Mapping[str, Setting]:
    found = {}
    for name, hint in get_type_hints(owner, include_extras=True).items():
        kind, *notes = get_args(hint) or (hint,)
        for option in (note for note in notes if isinstance(note, Option)):
            bounds = [note for note in notes if isinstance(note, Meta)]
            parts = [part for part in _parts(kind) if part is not NoneType]
            bare = Annotated[kind, *bounds] if bounds else Union[*parts]
            found[name] = Setting(name, bare, getattr(owner, name), option)
    return found


def spelled(value: object) -> str:
    """Return a value as a configuration file spells it."""
    if isinstance(value, Mapping):
        inner = ", ".join(f"{key} = {spelled(item)}" for key, item in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(spelled, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{printable(escaped)}"'
    return str(value)


def _named_values(texts: Any, where: str) -> dict[str, str]:
    """Return what is written as NAME=VALUE by name."""
    values: dict[str, str] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not (sign and name.strip() and value):
            hint = f"As in {where} labels=run.npz::y, or {where} beta=0.1."
            raise UsageError(where, f"'{text}'", "NAME=X, or NAME=F for a file", hint)
        if name.strip() in values:
            raise UsageError(where, f"'{name.strip()}' twice", "it once", "Leave out one of them.")
        values[name.strip()] = value
    return values


def _parts(kind: Any) -> tuple[Any, ...]:
    """Return the members of a union, or the one type there is."""
    return get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)


def _words(kind: Any) -> str:
    return next(str(note.description) for note in get_args(kind) if isinstance(note, Meta))
