"""The lines that were proved, evaluated with NumPy on a table of numbers.

What runs here is the line as it was read: its sums are loops over the actions, its derivatives
are jets, and its tolerance is the rounding bound that its own operations add up to. Logits are
taken relative to the largest of their state: a line that was proved for every theta is true
there too, and nothing overflows.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import log

import numpy as np

from softcheck import result
from softcheck.checks.blocks import Masking, given_block
from softcheck.checks.tally import mostly_blind
from softcheck.derive.check import Checked, Decision
from softcheck.derive.expr import Condition, Expect, Expr, Mul, Num, Sym, free_indices, symbols
from softcheck.derive.ladder import Proof
from softcheck.derive.limits import CHOICES
from softcheck.derive.points.evaluate import Evaluator
from softcheck.derive.points.jets import Arithmetic
from softcheck.derive.points.refute import allowed
from softcheck.derive.reading.claims import Line, placed
from softcheck.derive.reading.notation.vocabulary import CONSTANTS
from softcheck.errors import NothingToCheckError
from softcheck.gradient.composed.running import Rounded, number, precise
from softcheck.gradient.numeric.sampled import FAMILY_ERROR
from softcheck.gradient.policy import Block, Buffers, Flags, States
from softcheck.gradient.tolerance import U
from softcheck.result import Status, Verdict
from softcheck.settings import Settings
from softcheck.tables.case import Case

_ENTRIES = 20_000
"""About how many table entries are evaluated at once."""

_LOGITS = ("θ", "z")

_ARITHMETIC = Arithmetic(number, Rounded.exp, Rounded.log)


@dataclass
class _Worst:
    """The largest deviation of one line so far."""

    sampled: bool
    entries: int = 0
    blind: int = 0
    ratio: float = 0.0
    location: tuple[int, ...] = ()


@dataclass(frozen=True)
class _Chain:
    """A line that others were proved equal to, and those others, with their conditions."""

    first: Line
    lines: list[tuple[Line, tuple[Condition, ...]]] = field(default_factory=list)


def evaluate(checked: Checked, case: Case, settings: Settings) -> result.OnData:
    """Evaluate every proved line on a case.

    Parameters
    ----------
    checked : Checked
    case : Case
    settings : Settings
        `critics`, and `samples` and `seed` of the expectation lines that are estimated too.

    Raises
    ------
    NothingToCheckError
        If no proved line is about logits, Q and one temperature.
    InputError
        If the case is of another loss than that of Eq. (6).
    """
    case.require_soft("lines are evaluated on its logits, Q and temperature")
    numbers = {id(line): number for number, line in enumerate(placed(checked.equalities), 1)}
    chains, notes = _chains(checked)
    worst: dict[tuple[int, bool], _Worst] = {}
    for start, block, legal in _blocks(case, settings):
        with np.errstate(all="ignore"):
            run = _Run(checked, case, block, legal, start, settings)
            for chain in chains:
                run.chain(chain, numbers, worst)
    if not any(item.entries for item in worst.values()):
        raise NothingToCheckError(
            case.name,
            "no line that can be evaluated on it",
            "a proved line about logits, Q and one temperature",
            "Define what the lines use, with --givens.",
        )
    notes += _blindness(worst)
    return result.OnData(
        case=case.name,
        status=_status(worst),
        samples=settings.samples,
        deviations=tuple(
            result.Deviation(
                line=line, entries=item.entries, worst=item.ratio, location=item.location,
                sampled=sampled,
            )
            for (line, sampled), item in sorted(worst.items())
        ),
        notes=tuple(dict.fromkeys(notes)),
    )  # fmt: skip


def _status(worst: Mapping[tuple[int, bool], _Worst]) -> Status:
    if any(not item.ratio <= 1 for item in worst.values()):
        return Status.FAILED
    if any(mostly_blind(item.blind, item.entries) for item in worst.values()):
        return Status.INCONCLUSIVE
    return Status.PASSED


def _blindness(worst: Mapping[tuple[int, bool], _Worst]) -> list[str]:
    nowhere = [
        f"line {line}: not evaluated, the case has no such actions"
        for (line, _), item in sorted(worst.items())
        if not item.entries
    ]
    return nowhere + [
        f"line {line}: {item.blind} of {item.entries} entries are blind, rounding may be anything"
        for (line, _), item in sorted(worst.items())
        if item.blind
    ]


def _chains(checked: Checked) -> tuple[list[_Chain], list[str]]:
    """Return the chains of proved lines that a case has numbers for."""
    chains: list[_Chain] = []
    home: dict[int, _Chain] = {}
    notes: list[str] = []
    for decision in checked.decisions:
        if decision.status is not Verdict.PROVED:
            continue
        missing = _unavailable(checked, decision)
        equality = decision.equality
        if missing:
            notes.append(f"not evaluated, a case has no {missing}: {equality.right.latex}")
            continue
        chain = home.get(id(equality.left))
        if chain is None:
            chain = _Chain(equality.left)
            chains.append(chain)
        chain.lines.append((equality.right, equality.conditions))
        home[id(equality.right)] = chain
    return chains, notes


def _unavailable(checked: Checked, decision: Decision) -> str:
    """Return a symbol that a case has no numbers for, or nothing."""
    if isinstance(decision.found, Proof) and decision.found.freed:
        return f"{min(decision.found.freed)} as a free variable"
    free: set[str] = set()
    pending: list[Expr] = [
        tree for tree in (decision.equality.left.tree, decision.equality.right.tree) if tree
    ]
    seen: set[str] = set()
    while pending:
        for name in symbols(pending.pop()) - seen:
            seen.add(name)
            definition = checked.context.definitions.get(name)
            if definition is None:
                free.add(name)
            else:
                pending.append(definition.body)
    temperatures = sorted(free & CONSTANTS)
    if len(temperatures) > 1:
        return f"second temperature, {temperatures[1]} beside {temperatures[0]}"
    return next(iter(sorted(free - CONSTANTS - {"Q", *_LOGITS})), "")


def _blocks(case: Case, settings: Settings) -> Iterator[tuple[int, Block, Flags | None]]:
    buffers, masking = Buffers(), Masking()
    for raw in case.blocks(max(1, _ENTRIES // case.actions)):
        block, legal = given_block(case, raw, settings, buffers, masking)
        yield raw.start, block, legal


class _Run:
    """The lines of a document on one block of states."""

    def __init__(
        self,
        checked: Checked,
        case: Case,
        block: Block,
        legal: Flags | None,
        start: int,
        settings: Settings,
    ) -> None:
        self.case = case
        self.start = start
        self.settings = settings
        self.legal = np.ones(block.q.shape, dtype=np.bool_) if legal is None else legal
        shifted = block.logits - block.logits.max(axis=0)
        self.tables = {"Q": block.q, "logits": np.where(self.legal, shifted, 0.0)}
        self.alpha = block.alpha
        weights = self.legal.astype(np.float64)
        self.evaluation = Evaluator(
            case.actions,
            _ARITHMETIC,
            self._leaf,
            checked.context.definitions,
            weight=None if legal is None else lambda i: precise(weights[i]),
        )

    def _leaf(self, name: str, at: tuple[int, ...]) -> Rounded | None:
        if name in CONSTANTS and not at:
            return precise(self.alpha)
        table = self.tables.get("logits" if name in _LOGITS else name)
        if table is None or len(at) != 1:
            return None
        value = precise(table[at[0]])
        # The shift of the logits rounds once.
        return Rounded(value.value, value.size) if name in _LOGITS else value

    def chain(
        self, chain: _Chain, numbers: Mapping[int, int], worst: dict[tuple[int, bool], _Worst]
    ) -> None:
        start = chain.first.formula
        for line, conditions in chain.lines:
            tree = line.formula
            exact = worst.setdefault((numbers[id(line)], False), _Worst(sampled=False))
            for indices in _choices(start, tree, conditions, self.case.actions):
                first = self.evaluation(start, indices)
                value = self.evaluation(tree, indices)
                self._compare(exact, first, value, indices)
                expectation = _expectation(tree)
                if self.settings.samples and expectation is not None:
                    drawn = worst.setdefault((numbers[id(line)], True), _Worst(sampled=True))
                    estimate = self._estimate(*expectation, indices)
                    self._compare(drawn, first, estimate, indices)

    def _compare(
        self, worst: _Worst, first: Rounded, value: Rounded, indices: Mapping[str, int]
    ) -> None:
        """Count the entries, and keep the largest deviation in units of its tolerance."""
        rows = self.legal.shape[1]
        live = np.ones(rows, dtype=np.bool_)
        for action in indices.values():
            live &= self.legal[action]
        off = np.broadcast_to(np.abs(value.value - first.value), (rows,))
        tolerance = U * np.broadcast_to(value.error + first.error, (rows,))
        blind = ~np.isfinite(tolerance)
        ratio = np.where(blind | (off == 0), 0.0, off / tolerance)
        ratio = np.where(np.isnan(ratio), np.inf, ratio)
        worst.entries += int(np.count_nonzero(live))
        worst.blind += int(np.count_nonzero(live & blind))
        ratio = np.where(live, ratio, 0.0)
        row = int(np.argmax(ratio))
        if ratio[row] > worst.ratio:
            worst.ratio = float(ratio[row])
            state = self.start + row
            actions = tuple(indices.values())
            if len(actions) == 1:
                worst.location = self.case.location(state, actions[0])
            else:
                worst.location = (*self.case.location(state), *actions)

    def _estimate(
        self, scale: float, under: str, index: str, body: Expr, indices: Mapping[str, int]
    ) -> Rounded:
        """Return scale times the mean of `body` over drawn actions, and Bernstein's interval.

        See `softcheck.gradient.numeric.sampled` for the interval.
        """
        samples = self.settings.samples
        actions, rows = self.legal.shape
        values = np.zeros((actions, rows))
        pi = np.zeros((actions, rows))
        for i in range(actions):
            inner = {**indices, index: i}
            values[i] = self.evaluation(body, inner).value
            pi[i] = self.evaluation(Sym(under, (index,)), inner).value
        pi = np.where(self.legal, pi, 0.0)
        pi /= pi.sum(axis=0)
        values = np.where(pi > 0, values, 0.0)
        frequency = np.empty_like(pi)
        for row in range(rows):
            key = (self.settings.seed, self.start + row)
            generator = np.random.Generator(np.random.Philox(key=key))
            frequency[:, row] = generator.multinomial(samples, pi[:, row]) / samples
        mean = (pi * values).sum(axis=0)
        variance = (pi * (values - mean) ** 2).sum(axis=0)
        spread = np.abs(values - mean).max(axis=0)
        places = self.case.states * self.case.actions ** len(indices)
        level = log(2.0 * places / FAMILY_ERROR)
        drift = spread * level / (3.0 * samples)
        error = drift + np.sqrt(drift * drift + 2.0 * variance * level / samples)
        estimate: States = scale * (frequency * values).sum(axis=0)
        return Rounded(estimate, abs(scale) / U * error)


def _expectation(tree: Expr) -> tuple[float, str, str, Expr] | None:
    """Return factor, distribution, action and body of a line that is a multiple of a mean."""
    match tree:
        case Expect(index, under, body):
            return 1.0, under, index, body
        case Mul((Num(value), Expect(index, under, body))):
            return float(value), under, index, body
    return None


def _choices(
    first: Expr, second: Expr, conditions: Sequence[Condition], actions: int
) -> list[dict[str, int]]:
    """Return the choices of the free actions that are evaluated, evenly spread if too many."""
    conditions = [c for c in conditions if c.relation != ">"]
    named = free_indices(first) | free_indices(second)
    named |= {name for c in conditions for name in (c.left, c.right)}
    if any(name.isdigit() and int(name) > actions for name in named):
        return []
    leader = {name: name for name in named}
    for condition in conditions:
        if condition.relation == "=":
            pair = leader[condition.left], leader[condition.right]
            kept = min(pair, key=lambda name: (not name.isdigit(), name))
            leader = {name: kept if of in pair else of for name, of in leader.items()}
    free = sorted({of for of in leader.values() if not of.isdigit()})
    total = actions ** len(free)
    chosen = range(total) if total <= CHOICES else np.linspace(0, total - 1, CHOICES).astype(int)
    found = []
    for code in chosen:
        rest = int(code)
        at = {name: int(name) - 1 for name in named if name.isdigit()}
        for name in free:
            rest, at[name] = divmod(rest, actions)
        indices = {name: at[leader[name]] for name in sorted(named) if not name.isdigit()}
        if allowed(conditions, indices):
            found.append(indices)
    return found
