"""What a run found, as plain frozen records. Nothing is computed and nobody prints here."""

import enum
from typing import Any, Final, Literal

import msgspec

SCHEMA_VERSION: Final = 1


class Status(enum.Enum):
    """The verdict of a check, a case or a run; `advice` says what it means for its reader."""

    advice: str

    PASSED = "passed", "Every entry agrees within its tolerance."
    INCONCLUSIVE = (
        "inconclusive",
        "Rounding hides the gradient from this check. Compute or dump in a higher precision.",
    )
    FAILED = "failed", "At least one entry differs by more than rounding can explain."
    ERROR = "error", "The input could not be read as meant, so nothing was verified."

    def __new__(cls, value: str, advice: str) -> "Status":
        """Make a member whose value is the word of the report."""
        member = object.__new__(cls)
        member._value_ = value
        member.advice = advice
        return member

    @property
    def severity(self) -> int:
        """The rank: the worst status of its parts is the status of the whole."""
        return list(Status).index(self)


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A frozen record; field order is the order of the report's keys."""


class Discrepancy(Record, frozen=True):
    """The two values at one place and how they compare.

    `location` is the index in the user's own array; `ratio` is the error in units of its
    tolerance, so that 1 is the limit; it is infinite where a value under test is NaN or infinite.
    """

    location: tuple[int, ...]
    actual: float
    expected: float
    abs_error: float
    tolerance: float
    ratio: float


class Finding(Record, frozen=True):
    """A discrepancy beyond its tolerance, with the labels of its state and action if it has any.

    `about` is what was compared where a check has several: the term in `fit`, the route in `exact`.
    """

    check: str
    about: str
    location: tuple[int, ...]
    state: str | None
    action: str | None
    actual: float
    expected: float
    abs_error: float
    tolerance: float
    ratio: float


class Resolution(Record, frozen=True):
    """The smallest relative error that a check would have caught: at half of the entries, at all.

    Both are upper bounds, rounded up by less than 7 %.
    """

    median: float
    worst: float


class Check(Record, frozen=True):
    """One check over a whole case. `failed` and `blind` count entries.

    `worst` is where the ratio is largest, `largest` where the error of a failed entry is, of those
    that are finite. `decades` counts what failed by its ratio: number k those above 10^k and not
    above 10^(k + 1), the sixteenth all beyond; what would be zeros at the end is left out.
    """

    name: str
    status: Status
    entries: int
    failed: int
    blind: int
    worst: Discrepancy | None
    largest: Discrepancy | None
    decades: tuple[int, ...]
    resolution: Resolution | None
    reason: str


class Remedy(Record, frozen=True):
    """What to do about a mistake.

    `declare` holds the settings, by name, under which its numbers are the right ones, for where
    that is what is meant. The lines are typical code, before and after.
    """

    code: str
    declare: dict[str, str]
    wrong_line: str
    right_line: str


class Diagnosis(Record, frozen=True):
    """A named explanation of a failure, and what to do.

    `message` says what was found, `grounds` what that rests on, in sentences without the last full
    stop, and `evidence` has the numbers. `code` is that of a mistake or of several joined by "+";
    there is a remedy for each of them, or none where they only say where to look.
    """

    code: str
    message: str
    grounds: str
    evidence: dict[str, Any]
    remedies: tuple[Remedy, ...]


class Input(Record, frozen=True):
    """One array that went in.

    `path`, `key` and `sha256` are None for an array in memory; `sha256` also where no report was
    asked for that shows it.
    """

    role: str
    path: str | None
    key: str | None
    dtype: str
    shape: tuple[int, ...]
    sha256: str | None


class Loss(Record, frozen=True):
    """The loss of a case: that of a state, and its derivative by the logit of an action a.

    `proved` says whether the one was shown to be the derivative of the other for every number of
    actions; `equation` is what that is called, such as "Eq. (6)", or empty.
    """

    name: str
    formula: str
    gradient: str
    proved: bool
    equation: str


class SourceLine(Record, frozen=True):
    """A line of code. `file` is relative to its repository, or else to where the code ran."""

    file: str
    line: int


class Case(Record, frozen=True):
    """One case. `entries` counts legal (state, action) pairs, `masked` the others.

    `loss` is None for a case that could not be read, and `dumped_by` for one that does not say
    which line of code dumped it.
    """

    name: str
    status: Status
    loss: Loss | None
    dumped_by: SourceLine | None
    inputs: tuple[Input, ...]
    settings: dict[str, Any]
    states: int
    actions: int
    entries: int
    masked: int
    checks: tuple[Check, ...]
    findings: tuple[Finding, ...]
    diagnosis: tuple[Diagnosis, ...]
    notes: tuple[str, ...]


class Dot(Record, frozen=True):
    """An entry of the gradient as it is drawn.

    `pi` is its policy, in [0, 1], and `weight` what reduction and weights make of the loss of its
    state, without its sign.
    """

    found: float
    expected: float
    ratio: float
    pi: float
    weight: float


class MarkedDot(Dot, frozen=True):
    """One of the worst entries: a finding, and its cell in the grid, of actions and of states."""

    location: tuple[int, ...]
    state: str | None
    action: str | None
    cell: tuple[int, int]


class Picture(Record, frozen=True):
    """What the pictures of a dumped gradient show.

    `dots` are all of its entries, or a random sample of them; `worst` are those findings that are
    listed. `grid` is the largest ratio in each cell of the table, a row for each cell of actions;
    `actions` and `states` name the first of each cell.
    """

    dots: tuple[Dot, ...]
    worst: tuple[MarkedDot, ...]
    grid: tuple[tuple[float, ...], ...]
    actions: tuple[str, ...]
    states: tuple[str, ...]


class PicturedCase(Case, frozen=True):
    """A case with its pictures, made where they are asked for; no part of the JSON report."""

    picture: Picture


class Summary(Record, frozen=True):
    """How many cases ended how, and the one-line errors of those that could not be read."""

    cases: int
    passed: int
    failed: int
    inconclusive: int
    errors: tuple[str, ...]


class Tool(Record, frozen=True):
    """Which softcheck made the report."""

    name: str
    version: str


class Report(Record, frozen=True):
    """One run of `softcheck verify`: one verdict over all of its cases."""

    schema_version: Literal[1]
    tool: Tool
    command: Literal["verify"]
    status: Status
    summary: Summary
    cases: tuple[Case, ...]

    def __bool__(self) -> bool:
        """Whether all of it passed, so that a report can be asserted."""
        return self.status is Status.PASSED


class Verdict(enum.Enum):
    """The verdict on a step of a derivation, or on all; `advice` says what it means."""

    advice: str

    PROVED = "proved", "It holds for every number of actions n >= 1."
    UNKNOWN = (
        "unknown",
        "It was neither proved nor refuted. The reason says what is missing; a definition can be "
        "given with --givens.",
    )
    REFUTED = "refuted", "It is false: a certified counterexample is printed."

    def __new__(cls, value: str, advice: str) -> "Verdict":
        """Make a member whose value is the word of the report."""
        member = object.__new__(cls)
        member._value_ = value
        member.advice = advice
        return member

    @property
    def severity(self) -> int:
        """The rank: the worst verdict on a step is the verdict on the whole."""
        return list(Verdict).index(self)


class Given(Record, frozen=True):
    """Something that a derivation takes for granted.

    `source` is "default", "document" or "givens"; `words` are those of the document that made it a
    definition, and where it is not `sure` it was only taken as one. `note` says how it differs from
    Eq. (6)'s own.
    """

    name: str
    latex: str
    reading: str
    source: str
    source_line: int | None
    words: str
    sure: bool
    note: str


class Line(Record, frozen=True):
    """One side of an equality: its text, and what was read; `reading` is None if nothing was.

    Lines are numbered from 1 on, in the order in which they are listed. `source_line` and
    `source_column` are where it starts in the document, counted from 1.
    """

    number: int
    source_line: int
    source_column: int
    latex: str
    reading: str | None


class Formula(Record, frozen=True):
    """A formula that softcheck itself writes, as LaTeX and on one line of Unicode."""

    latex: str
    reading: str


class GapStage(Record, frozen=True):
    """What is left of a gap once one more fact, `by`, is used."""

    by: str
    latex: str
    reading: str


class Gap(Record, frozen=True):
    """A term that a step leaves out, and why it is zero: its proof ends at 0."""

    latex: str
    reading: str
    proof: tuple[GapStage, ...]


class Counterexample(Record, frozen=True):
    """A point where the two sides of a step differ, for certain.

    `indices` are actions counted from 1; a value of `values` is one number, or one for each
    action. `difference` encloses left - right and excludes 0.
    """

    actions: int
    indices: dict[str, int]
    values: dict[str, Any]
    left: float
    right: float
    difference: tuple[float, float]


class Step(Record, frozen=True, rename={"from_line": "from", "to_line": "to"}):
    """The claim that two lines are equal under some conditions, and what was found of it.

    `relation` is "=", or the sign of what claims no equality. A counterexample to an unknown step
    contradicts what was read, which may not be what is claimed. `difference` is left - right for
    every n, where it is short.
    """

    number: int
    from_line: int
    relation: str
    to_line: int
    source_line: int
    conditions: tuple[str, ...]
    status: Verdict
    needs: tuple[str, ...]
    gap: Gap | None
    counterexample: Counterexample | None
    difference: Formula | None
    reason: str


class Document(Record, frozen=True):
    """What there is in a document: how many formulas, and what was made of them.

    A relation that is no equality is not checked; `off` counts what was left out by choice.
    """

    formulas: int
    claims: int
    definitions: int
    conditions: int
    not_checked: int
    unread: int
    off: int


class Deviation(Record, frozen=True):
    """How far a line is from the first line of its chain on data, in units of its tolerance."""

    line: int
    entries: int
    worst: float
    location: tuple[int, ...]
    sampled: bool


class OnData(Record, frozen=True):
    """The lines of proved steps, evaluated on a case."""

    case: str
    status: Status
    samples: int
    deviations: tuple[Deviation, ...]
    notes: tuple[str, ...]


class Role(Record, frozen=True):
    """What was made of one statement of a document.

    `form` is the code of the form that made it so and `why` says it in words; `reading` is what was
    understood. Each is empty where there is none.
    """

    kind: str
    form: str
    why: str
    source_line: int
    latex: str
    reading: str


class Derivation(Record, frozen=True):
    """One run of `softcheck derive`; `roles` and `on` are there only where they were asked for."""

    schema_version: Literal[1]
    tool: Tool
    command: Literal["derive"]
    status: Verdict
    givens: tuple[Given, ...]
    lines: tuple[Line, ...]
    steps: tuple[Step, ...]
    document: Document
    roles: tuple[Role, ...] | msgspec.UnsetType = msgspec.UNSET
    on: OnData | msgspec.UnsetType = msgspec.UNSET


class DocumentReport(Record, frozen=True):
    """One of several documents: its report, or why it has none."""

    name: str
    report: Derivation | None
    error: str

    @property
    def status(self) -> Verdict:
        """Its verdict; nothing is known of what could not be read."""
        return Verdict.UNKNOWN if self.report is None else self.report.status


class DocumentSummary(Record, frozen=True):
    """How many documents ended how, and the one-line errors of those that could not be read."""

    documents: int
    proved: int
    refuted: int
    unknown: int
    errors: tuple[str, ...]


class Derivations(Record, frozen=True):
    """One run of `softcheck derive` on several documents: one verdict over all of them."""

    schema_version: Literal[1]
    tool: Tool
    command: Literal["derive"]
    status: Verdict
    summary: DocumentSummary
    documents: tuple[DocumentReport, ...]


class LossArray(Record, frozen=True):
    """An array to dump for a loss: its symbol there, its shape and what it may hold.

    `default` is its value where a case has none; None if a case must have it.
    """

    name: str
    symbol: str
    shape: str
    dtype: Literal["floating point", "integer"]
    legal: str
    default: str | None
    about: str


class LossVariant(Record, frozen=True):
    """A loss of a state for one choice of its arrays, and its derivative by the logit `by`.

    `where` says for which arrays the proof holds. `family` says whether the loss has the fast
    kernel. Each of `harmless` is the loss with a stop-gradient, written `sg[...]`, that leaves the
    gradient as it is, which is proved too.
    """

    loss: Formula
    by: str
    gradient: Formula
    status: Verdict
    where: tuple[str, ...]
    family: bool
    arrays: tuple[LossArray, ...]
    harmless: tuple[str, ...]


class LossReading(Record, frozen=True):
    """One run of `softcheck derive --loss`: what the loss is, as it was read and proved."""

    schema_version: Literal[1]
    tool: Tool
    command: Literal["derive"]
    status: Verdict
    loss: str
    title: str
    equation: str
    variants: tuple[LossVariant, ...]


class Outcome(Record, frozen=True):
    """What became of one planted mistake.

    `said` is what was done, in the `loss` of that formula. `visible` says whether it changes an
    entry by more than rounding, `caught` whether the verification failed, and `named` whether its
    name is among the explanations. `close` is the verdict of a comparison that was asked for.
    """

    loss: str
    code: str
    said: str
    dtype: str
    place: str
    visible: bool
    caught: bool
    named: bool
    close: bool | None = None

    @property
    def missed(self) -> bool:
        """Whether a mistake that can be seen was not."""
        return self.visible and not self.caught


class Unshown(Record, frozen=True):
    """A mistake that the data cannot show, and why."""

    loss: str
    code: str
    said: str
    reason: str
