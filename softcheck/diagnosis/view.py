"""What a mistake's formula may use: a block of states, what was given, and the whole table."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import log2
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from softcheck.checks import compiled
from softcheck.checks.blocks import Masking, evaluation, rows_of_block, temperature_of
from softcheck.checks.compiled import Ranges, WhereWrong
from softcheck.checks.distinct import Distinct, some_of
from softcheck.checks.dumps import Sides, allowance, allowed, bounded
from softcheck.checks.evaluation import Context, Dump, Evaluation
from softcheck.diagnosis.columns import Columns, Rounds, apart
from softcheck.errors import InputError
from softcheck.gradient.definition import Variant
from softcheck.gradient.kernel import Once
from softcheck.gradient.policy import (
    Array,
    Buffers,
    Entries,
    Flags,
    PerState,
    Quantity,
    Some,
    States,
)
from softcheck.gradient.tolerance import Allowance, Precision, of_logarithm, of_parts
from softcheck.settings import Settings
from softcheck.tables.case import Case, RawBlock
from softcheck.tables.roles import is_q

_FEW = 2**11  # entries
_LIGHTEST = 2.0**-100  # of the largest tolerance

Laid: TypeAlias = Array  # (*shape of the states, actions)
Parallel: TypeAlias = Array  # of any shape, the same for all that go in
Numbers: TypeAlias = NDArray[np.int64]  # (rows,): which states of the case
Rows: TypeAlias = NDArray[np.bool_]  # (rows,)


@dataclass(frozen=True)
class Shared:
    """What is the same for every state of a case.

    Attributes
    ----------
    case : Case
    settings : Settings
    shape : tuple of int
        Of the states.
    actions, legal : int
        Actions of a state, and legal entries of the case.
    reduction : float
        What the declared reduction multiplies the loss of each state by.
    alpha : float or None
        The temperature, or None where it differs by state.
    weight_sum, weighted : float, int
        The sum of the weights, and how many are not 0; as if all were 1 where there are none.
    largest : float
        The largest finite |entry| of the dumped gradient, 0 without one.
    zero : int
        How many states it leaves without any gradient.
    whole : list of View
        The whole table, where it is small enough to be looked at at once.
    tables : dict
        What was made of it, by what made it.
    repeats : bool
        Whether few entries of a state may differ, so that these are looked at.
    is_compiled : bool
        Whether what can be compiled is.
    """

    case: Case
    settings: Settings
    shape: tuple[int, ...]
    actions: int
    legal: int
    reduction: float
    alpha: float | None
    weight_sum: float
    weighted: int
    largest: float = 0.0
    zero: int = 0
    whole: "list[View]" = field(default_factory=list)
    tables: dict[Hashable, Any] = field(default_factory=dict)
    repeats: bool = False
    is_compiled: bool = False

    @property
    def states(self) -> int:
        """How many states the case has."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def places(self) -> int:
        """How many entries the case has, masked ones included."""
        return self.states * self.actions


@dataclass(frozen=True)
class View:
    """Some states of a case as the formulas see them.

    Attributes
    ----------
    e : Evaluation
    states : Numbers
    shared : Shared
    raw : RawBlock
        All that was given.
    distinct : Distinct or None
        For which actions entries stand, where these are several.
    """

    e: Evaluation
    states: Numbers
    shared: Shared
    raw: RawBlock
    distinct: Distinct | None = None

    @classmethod
    def of(
        cls,
        raw: RawBlock,
        states: Numbers,
        shared: Shared,
        buffers: Buffers,
        distinct: Distinct | None = None,
        *,
        is_compiled: bool = False,
        whole: bool = True,
    ) -> "View":
        """Return some states as the formulas see them; `raw` has the entries of `distinct`.

        If `is_compiled`, which pays where they are many, what is laid out by the loop is, and
        unless it is to be `whole`, no more than for the right gradient.
        """
        of = raw, shared, shared.case.variant, buffers
        laid = None
        if is_compiled and distinct is None:
            given = evaluated(*of, is_compiled=True)
            laid = compiled.laid_out(given, whole=whole)
        if laid is None:
            return cls(evaluated(*of, distinct), states, shared, raw, distinct)
        view = cls(laid.e, states, shared, raw)
        cls._for_loop.put(view, given)
        cls.bounded.put(view, laid.sides)
        cls._error.put(view, laid.error)
        cls.is_finite.put(view, True)
        if laid.wrong is not None:
            cls._compared.put(view, (laid.sides, laid.error))
            cls.where_wrong.put(view, laid.wrong)
            cls.ranges.put(view, laid.ranges)
        return view

    @Once
    def given(self) -> Mapping[str, Quantity]:
        """Critics, logits and weights as they were given, masked actions included."""
        roles = self.shared.case.roles
        return {
            role: array.T.astype(np.float64)
            for role, array in self.raw.arrays.items()
            if roles.family(role) in {"q", "logits", "weights"}
        }

    @property
    def entire(self) -> "View":
        """The same states with all of their actions, each at its place."""
        # Not cached where it is the view itself, whose arrays would then be freed late.
        return self if self.distinct is None else self._with_places

    @Once
    def _with_places(self) -> "View":
        whole = self.raw if self.distinct is None else self.distinct.whole
        return View.of(whole, self.states, self.shared, Buffers())

    def entire_pieces(self) -> Iterator["View"]:
        """Yield the same, as many states at a time as a block has."""
        rows = rows_of_block(self.shared.settings, self.shared.actions)
        for first in range(0, self.states.size, rows):
            yield self.of_rows(np.arange(first, min(first + rows, self.states.size))).entire

    def number_of(self, flags: Flags) -> int:
        """Return at how many actions flags hold."""
        return self.e.buffers.number_in_all(flags)

    @property
    def is_soft(self) -> bool:
        """Whether the loss is that of Eq. (6)."""
        return self.shared.case.roles.is_soft

    @Once
    def composed(self) -> Evaluation:
        """The same with the loss as a list of operations, for programs on its arrays."""
        loss = replace(self.shared.case.variant, family=None)
        return evaluated(self.raw, self.shared, loss, Buffers(), self.distinct)

    @property
    def p(self) -> Entries:
        """The policy."""
        return self.e.policy.pi

    @property
    def log_p(self) -> Entries:
        """Its logarithm."""
        return self.e.policy.log_pi

    @property
    def q(self) -> Entries:
        """The action values."""
        return self.e.block.q

    @property
    def alpha(self) -> PerState:
        """The temperature of each state."""
        return self.e.block.alpha

    @property
    def legal(self) -> Entries:
        """1 where an action is legal, else 0."""
        if self.e.legal is None:
            return np.ones_like(self.p)
        return self.e.legal.astype(np.float64)

    @property
    def grad(self) -> Entries:
        """The dumped gradient."""
        return self.e.dumps["gradient"].values

    @Once
    def is_finite(self) -> bool:
        """Whether every entry of the dumped gradient is a finite number."""
        with np.errstate(all="ignore"):
            return bool(np.isfinite(self.grad.sum()))

    @Once
    def bounded(self) -> Sides:
        """The dumped gradient beside the right one, without any allowance."""
        with np.errstate(all="ignore"):
            return bounded(self.e, "gradient")

    @property
    def right(self) -> Sides:
        """The dumped gradient beside the right one."""
        return self._compared[0]

    @property
    def off(self) -> Entries:
        """How far the dumped gradient is from the right one."""
        return self._compared[1]

    @Once
    def _error(self) -> Entries:
        """How far it is off without any allowance."""
        with np.errstate(all="ignore"):
            return self.bounded.error()

    @Once
    def _compared(self) -> tuple[Sides, Entries]:
        with np.errstate(all="ignore"):
            right, _ = allowed(self.e, self.bounded, self._error)
            is_bare = right.expected is self.bounded.expected
            return right, self._error if is_bare else right.error()

    @Once
    def wrong(self) -> Flags:
        """Where the dumped gradient is not the right one."""
        return self.wrong_of(slice(None))

    def wrong_of(self, some: Some) -> Flags:
        """Return where it is not, of some states."""
        actual, _, tolerance, _ = self.right
        off, tolerance = self.off[:, some], tolerance[:, some]
        right: Flags = off <= tolerance
        if not np.isfinite(off.sum()):
            right |= np.isinf(tolerance) & np.isfinite(actual[:, some])
        return np.logical_not(right, out=right)

    @Once
    def per_tolerance(self) -> Entries:
        """1 over the tolerance of the right gradient, 0 where that is 0 or not finite."""
        with np.errstate(all="ignore"):
            inverse: Entries = 1.0 / self.right.tolerance
            if not np.isfinite(inverse.sum()):
                inverse[~np.isfinite(inverse)] = 0.0
        return inverse

    @Once
    def where_wrong(self) -> WhereWrong:
        """Where it is wrong, state by state."""
        actual, _, tolerance, _ = self.right
        with np.errstate(all="ignore"):
            total, within = map(self._total, (actual, tolerance))
            number = self.e.buffers.number_of(self.wrong).astype(np.float64)
            return WhereWrong(number, np.abs(total) > within)

    @Once
    def ranges(self) -> Ranges:
        """What policy and values are where it is wrong."""
        rows, wrong, policy = self.wrong_rows, self.wrong, self.e.policy
        if not rows.any():
            return {}
        entropy = (policy.log_Z - self.e.mean(policy.z))[rows]
        named = ("pi", self.p[wrong]), ("|Q|", np.abs(self.q[wrong])), ("entropy", entropy)
        return {name: (float(of.min()), float(of.max())) for name, of in named}

    @property
    def wrong_rows(self) -> Rows:
        """Which states have a wrong entry."""
        rows: Rows = self.where_wrong.number > 0.0
        return rows

    @property
    def wrong_states(self) -> int:
        """How many states have a wrong entry."""
        return int(np.count_nonzero(self.wrong_rows))

    @property
    def sums_wrong(self) -> Rows:
        """Which states do not sum to 0 within the tolerances of their entries."""
        return self.where_wrong.sums

    def _total(self, x: Entries) -> States:
        """Return the sum over the actions, of what may be infinite at what stands for none."""
        if self.distinct is not None:
            x = np.where(self.e.counts, x, 0.0) * self.e.counts
        total: States = x.sum(axis=0)
        return total

    @property
    def open_logits(self) -> Entries:
        """What the softmax is of, as it was given: that of masked actions too."""
        logits, temperature = self.given["logits"], temperature_of(self.shared.case, self.raw)
        return logits if temperature is None else logits / temperature

    @property
    def critics(self) -> list[Entries]:
        """The critics, each as it was given."""
        return [table for role, table in self.given.items() if is_q(role)]

    def J(self, w: Entries) -> Entries:  # noqa: N802  the Jacobian of the softmax, as in the formulas
        """Return p (w - sum p w)."""
        made: Entries = self.p * (w - self.e.mean(w))
        return made

    def at(self, **changed: Quantity) -> "View":
        """Return the same states with another q, logits or alpha, all of their actions legal."""
        given: dict[str, Any] = changed
        block = replace(self.e.block, **given)
        return replace(self, e=replace(self.e, block=block, legal=None, buffers=self._buffers))

    @Once
    def unmasked(self) -> "View | None":
        """The same states with all of their actions legal, if that can be."""
        arrays = {role: array for role, array in self.raw.arrays.items() if role != "mask"}
        raw = replace(self.raw, arrays=arrays)
        try:
            e = evaluated(raw, self.shared, self.shared.case.variant, Buffers(), self.distinct)
        except InputError:  # a masked action may hold what no legal one does
            return None
        return None if e.legal is not None else replace(self, e=e, raw=raw)

    def of_rows(self, rows: Numbers) -> "View":
        """Return some of these states."""
        some = None if self.distinct is None else self.distinct.of_states(rows)
        raw = some_of(self.raw, rows) if some is None else some.raw
        return View.of(raw, self.states[rows], self.shared, Buffers(), some)

    @Once
    def few(self) -> "View":
        """A few of these states, half of them wrong, half of the largest gradient, if so many are.

        They are enough to see what a gradient is not.
        """
        few = max(1, _FEW // (2 * len(self.p)))
        if self.states.size <= 2 * few:
            return self
        wrong = np.flatnonzero((self.wrong & np.isfinite(self.grad)).any(axis=0))
        # Drawn, for states may alternate.
        drawn = np.random.default_rng(0).permutation(wrong)[:few]
        # A gradient that is rounding alone tells of no formula.
        size = np.abs(self.in_units(self.grad)).max(axis=0)
        return self.of_rows(np.union1d(drawn, np.argpartition(size, -few)[-few:]))

    def alike(self, weight: float) -> "View":
        """Return these states with one weight for all of them."""
        case = self.shared.case
        tables = {role: table for role, table in case.tables.items() if role != "weights"}
        reduction = weight * self.shared.reduction
        shared = replace(self.shared, case=replace(case, tables=tables), reduction=reduction)
        e = evaluated(self.raw, shared, case.variant, Buffers(), self.distinct)
        return replace(self, e=e, shared=shared)

    def rounded(self, computed: Precision, stored: Precision) -> "View":
        """Return these states with a gradient of other precisions."""
        dump = replace(self.dump, computed=computed, stored=stored)
        dumps = {**self.e.dumps, "gradient": dump}
        return replace(self, e=replace(self.e, dumps=dumps, buffers=self._buffers))

    def in_order(self, table: Entries) -> Laid:
        """Lay a table of the whole case out as it was given."""
        return table.T.reshape(*self.shared.shape, self.shared.actions)

    @Once
    def rough(self) -> Entries:
        """The rounding of log pi, which is that of pi relative to itself, in units of U."""
        return of_logarithm(self.e.block, self.e.policy, self._buffers)

    @Once
    def _for_loop(self) -> Evaluation | None:
        """The same states as the compiled loop takes them, where it has laid them out."""
        return None

    @Once
    def tolerances(self) -> tuple[Entries, Entries]:
        """The tolerances of the two parts of Eq. (6), of Q and of alpha, before they are stored."""
        if self._for_loop is not None:
            e = _unstored(self._for_loop)
            of_q = compiled.tolerance_of(_times(e, 1.0, 0.0), "tolerance.q")
            of_alpha = compiled.tolerance_of(_times(e, 0.0, 1.0), "tolerance.alpha")
            if of_q is not None and of_alpha is not None:
                return of_q, of_alpha
        e = replace(_unstored(self.e), buffers=self._buffers)
        alone = _times(e, 1.0, 0.0), _times(e, 0.0, 1.0)
        of_q, of_alpha = (bounded(each, "gradient").tolerance.copy() for each in alone)
        return of_q, of_alpha

    def times(self, x: float, y: float) -> Evaluation:
        """Return these states with x Q and y alpha."""
        return replace(_times(self.e, x, y), buffers=self._buffers)

    def parts(self, a: Entries, b: Entries, weight: Entries | None = None) -> Columns:
        """Return the parts of a gradient x a + y b of Eq. (6), one from Q and one from alpha.

        Each rounds as -J(Q) and alpha J(l) of these states do, where they are weighted by `weight`
        instead of pi, and by what its weight does. Both are still to be multiplied by what
        reduction and weights make of a state's loss.
        """
        factor, dump = self.e.factor, self.dump
        values, unit = (a * factor, b * factor), dump.factor * dump.stored.unit
        share: Entries | float = 1.0
        if weight is None:
            weight = self.p
        else:
            share = np.divide(weight, self.p, out=np.ones_like(weight), where=self.p > 0.0)

        def bound() -> Rounds:
            of_weight = dump.factor * dump.computed.tolerated * np.abs(factor) * self.rough
            (of_q, fixed), (of_alpha, _) = (apart(each, dump) for each in self.tolerances)
            of = share * of_q + of_weight * np.abs(a), share * of_alpha + of_weight * np.abs(b)
            return Rounds(of, fixed, unit, at)

        def at(numbers: Sequence[float], states: Some) -> Allowance:
            x, y = numbers if any(numbers) else (1.0, 1.0)
            _, normaliser, parts = allowance(self.times(x, y), states)
            if parts is not None:
                shared = np.abs(y * self.alpha * weight * factor)
                size = np.abs(x * values[0]) + np.abs(y * values[1])
                parts = unit * of_parts(size, shared)[:, states]
            return Allowance(weight[:, states], normaliser, parts)

        return Columns(values, bound)

    @property
    def dump(self) -> Dump:
        """The dumped gradient with its precisions."""
        return self.e.dumps["gradient"]

    @property
    def _buffers(self) -> Buffers:
        """Arrays that nothing else is in, for these states."""
        return Buffers(self.e.block.repeats)

    def weighed(self, x: Entries) -> Entries:
        """Return the same as `in_units` for sums of squares and products over the actions."""
        made: Entries = self.in_units(x) * np.sqrt(self.e.counts)
        return made

    def in_units(self, x: Entries) -> Entries:
        """Return finite entries in units of the tolerance of the right gradient, 0 elsewhere."""
        tolerance = self.right.tolerance
        with np.errstate(all="ignore"):
            usable = np.isfinite(self.grad) & np.isfinite(tolerance) & np.isfinite(x)
            least = _LIGHTEST * tolerance.max(where=usable, initial=0.0)
            return np.where(usable & (tolerance > least), x / tolerance, 0.0)

    @property
    def digits(self) -> float:
        """How many bits a number of the dumped gradient has."""
        return -log2(self.dump.stored.unit)


def _times(e: Evaluation, x: float, y: float) -> Evaluation:
    """Return a block with x Q and y alpha, whose terms nobody asks for."""
    block = replace(e.block, q=x * e.block.q, alpha=y * e.block.alpha, summands=())
    return replace(e, block=block)


def _unstored(e: Evaluation) -> Evaluation:
    """Return a block whose gradient is stored as it was computed."""
    dump = e.dumps["gradient"]
    return replace(e, dumps={**e.dumps, "gradient": replace(dump, stored=dump.computed)})


def evaluated(
    raw: RawBlock,
    shared: Shared,
    loss: Variant,
    buffers: Buffers,
    distinct: Distinct | None = None,
    *,
    is_compiled: bool = False,
) -> Evaluation:
    """Return some states with the loss of their case, in whatever form it is to be computed."""
    case, settings = shared.case, shared.settings
    places = case.states * case.actions
    context = Context(
        places,
        settings.max_findings,
        reduction=shared.reduction,
        loss=loss,
        is_compiled=is_compiled,
    )
    return evaluation(case, raw, settings, context, buffers, Masking(), distinct)


def dot(x: Parallel, y: Parallel) -> float:
    """Return the sum of the products of two arrays of one shape.

    NumPy's `@` would set the threads of a linear algebra library against those that work on blocks.
    """
    return float(np.einsum("i,i->", x.ravel(), y.ravel()))
