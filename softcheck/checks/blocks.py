"""Blocks of a case as the checks take them: givens checked, laid out, float64."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from operator import add
from typing import Annotated, Any

import numpy as np

from softcheck.checks.coefficients import block_of
from softcheck.checks.distinct import Distinct, alike, in_pieces, some_of
from softcheck.checks.evaluation import Context, Dump, Evaluation
from softcheck.checks.exact_sum import ExactSum
from softcheck.checks.merging import Merging
from softcheck.errors import InputError, UsageError
from softcheck.gradient.definition import Given, Kind, Legal, Variant, without
from softcheck.gradient.policy import (
    LINE,
    LONG,
    Block,
    Buffers,
    Entries,
    Flags,
    Indices,
    PerState,
    Quantity,
)
from softcheck.gradient.tolerance import Precision
from softcheck.settings import BLOCK_ENTRIES, CriticChoice, Reduction, Settings
from softcheck.tables.case import Case, RawBlock
from softcheck.tables.roles import is_q

CRITICS: dict[CriticChoice, Callable[[Sequence[Entries]], Entries]] = {
    "min": np.minimum.reduce,
    "mean": lambda tables: np.mean(tables, axis=0),
    "first": lambda tables: tables[0],
}
"""How several critics make one Q."""


_STATES = 2**19
"""So many states are no small block: what each has a number of takes as much memory as tables."""

_HOLDS_FINITE: tuple[Legal, ...] = ("finite", "finite or -inf")
"""What is legal where any finite number is."""


def _weight_sum(case: Case) -> float:
    """Return the sum of the weights of all states; NaN if one of them is, an error of its own."""
    weights = case.tables.get("weights")
    if weights is None:
        raise UsageError(
            "--reduction",
            "weighted-mean, but no weights",
            "a weight for each state",
            "Give the array weights; if there are none, it is the mean.",
        )
    total = ExactSum()
    for block in weights.blocks(BLOCK_ENTRIES, None):
        total.add(block.astype(np.float64))
    if total.finite and not np.finfo(np.float64).tiny <= abs(float(total)) < np.inf:
        raise InputError(
            weights.where,
            f"weights whose sum is {float(total)}",
            "a sum to divide by, as the reduction weighted-mean does",
            "Check how the weights were dumped.",
        )
    return float(total)


REDUCTIONS: dict[Reduction, Callable[[Case], float]] = {
    "none": lambda _case: 1.0,
    "sum": lambda _case: 1.0,
    "mean": lambda case: case.states,
    "mean-all": lambda case: case.states * case.actions,
    "weighted-mean": _weight_sum,
}
"""How the loss over a batch was reduced, to what its sum is divided by."""


def reduction_of(case: Case, settings: Settings) -> float:
    """Return what the declared reduction multiplies the loss of each state by, beside its weight.

    Raises
    ------
    InputError
        If it is the mean by weights that sum to 0.
    UsageError
        If it is the mean by weights that are not there.
    """
    return 1.0 / REDUCTIONS[settings.reduction](case)


def loss_of(case: Case) -> Variant:
    """Return the loss of a case with the terms that a gradient of it is fitted to.

    That of an option that was not chosen is none, and nothing is computed of it.
    """
    loss, summands = case.variant, []
    off = {each.name for each in loss.givens if each.default == 0} - {*case.tables}
    if "grad" in case.tables:
        summands = [each for each in loss.summands if off.isdisjoint(each.weights)]
    return replace(
        loss,
        value=without(loss.value, off),
        slope=without(loss.slope, off),
        summands=tuple(summands) if len(summands) > 1 else (),
    )


def rows_of_block(settings: Settings, actions: int, blocks: int = 1) -> int:
    """Return how many states of so many actions a block has: whole cache lines, where it can.

    It is as large as several, if asked for, but for states of few actions.
    """
    rows = settings.block_entries // actions
    rows = max(rows, min(blocks * settings.block_entries // actions, _STATES))
    return rows - rows % LINE or max(1, rows)


def evenly(states: int, rows: int) -> int:
    """Return how many states blocks of about so many have if they are alike, and even in number.

    Two threads have as much to do then; what is found does not depend on how many there are. A
    block grows by a quarter at most.
    """
    count = -(-states // rows)
    if count == 1:
        return rows
    if count % 2:
        count += -1 if 4 * alike(states, count - 1, rows) <= 5 * rows else 1
    return alike(states, count, rows)


@dataclass
class Masking(Merging):
    """What was seen while blocks were prepared."""

    masked: Annotated[int, add] = 0
    disagreements: Annotated[int, add] = 0


def evaluation(
    case: Case,
    raw: RawBlock,
    settings: Settings,
    context: Context,
    buffers: Buffers,
    masking: Masking,
    distinct: Distinct | None = None,
    *,
    trusts: bool | None = None,
) -> Evaluation:
    """Check the givens of a block and lay them out, beside what was dumped.

    For the compiled loop they lie as files have them, the actions of a state side by side, and
    where there is no mask tables are trusted to be finite, unless `trusts` says otherwise. If
    `distinct` is given, the tables of `raw` have its entries.
    """
    given = case, raw, settings, context, buffers
    anew = partial(_anew, *given, distinct)
    checked = partial(evaluation, *given, masking, distinct, trusts=False)
    if trusts is None:
        trusts = context.is_compiled and "mask" not in raw.arrays
        # Where actions are masked they are in most states, as a rule.
        trusts = trusts and bool(np.isfinite(raw.arrays["logits"][:8, :64]).all())
    repeats = None if distinct is None else distinct.repeats
    buffers = buffers.over(repeats, 0 if context.is_compiled else LONG)
    block, legal = given_block(case, raw, settings, buffers, masking, context.loss, trusts=trusts)
    temperature = temperature_of(case, raw)
    factor = _factor(case, raw, context)
    return Evaluation(
        block,
        raw.start,
        factor if temperature is None else factor / temperature,
        legal,
        {
            check: _dump(case, raw, role, settings, buffers, trusts=trusts)
            for role in case.tables
            if (check := case.roles[role].check) is not None
        },
        context,
        buffers,
        None if temperature is None else factor,
        distinct,
        anew if context.is_compiled else None,
        checked if trusts else None,
    )


def _anew(
    case: Case,
    raw: RawBlock,
    settings: Settings,
    context: Context,
    buffers: Buffers,
    distinct: Distinct | None,
    states: Indices | None = None,
) -> Iterator[Evaluation]:
    """Yield a block that was laid out for the compiled loop, some states at a time, for NumPy.

    If `states` is given, it is these, numbered from 0.
    """
    context, masking = replace(context, is_compiled=False), Masking()
    if states is not None:
        buffers = Buffers()  # those of the whole block are in use
    pieces: Iterable[RawBlock | Distinct]
    if distinct is None:
        rows = rows_of_block(settings, case.actions)
        pieces = in_pieces(raw, rows) if states is None else [some_of(raw, states)]
    elif states is None:
        pieces = distinct.pieces(settings.block_entries)
    else:
        pieces = [distinct.of_states(states)]
    for each in pieces:
        some, entries = (each.raw, each) if isinstance(each, Distinct) else (each, None)
        yield evaluation(case, some, settings, context, buffers, masking, entries)


def given_block(
    case: Case,
    raw: RawBlock,
    settings: Settings,
    buffers: Buffers,
    masking: Masking,
    loss: Variant | None = None,
    *,
    trusts: bool = False,
) -> tuple[Block, Flags | None]:
    """Check the givens of a block and lay them out as `buffers` do, in float64.

    `loss` is that of the case, in whatever form it is to be computed. If it `trusts` them, logits
    and a single q are taken to be finite.

    Returns
    -------
    block : Block
    legal : Flags, shape (actions, rows), or None where every action is legal

    Raises
    ------
    InputError
        Where a given is no number that a loss can have.
    """
    logits, finite = _table(raw, "logits", buffers, trusts=trusts)
    legal = _legal(case, raw, logits, masking, finite, buffers)
    logits = _filled("logits", logits, legal, -np.inf, buffers)
    temperature = temperature_of(case, raw)
    if temperature is not None:
        logits = _divided(case, raw, logits, temperature, buffers)
    givens = case.variant.givens
    data = {
        given.name: _given(case, raw, given, legal, settings, buffers, trusts=trusts)
        for given in givens
    }
    numbers = {given.name for given in givens if given.kind is not Kind.TABLE}
    constant = {name for name in numbers if name in case.scalars or name not in case.tables}
    block = block_of(loss or case.variant, data, constant, logits, legal, buffers)
    return replace(block, repeats=buffers.repeats), legal


def _given(
    case: Case,
    raw: RawBlock,
    given: Given,
    legal: Flags | None,
    settings: Settings,
    buffers: Buffers,
    *,
    trusts: bool,
) -> Any:
    """Return an array of the loss, its values checked; 0 where an action is masked."""
    if given.kind is Kind.INDEX:
        return raw.arrays[given.name]
    if given.kind is not Kind.TABLE:
        return _given_of_states(case, raw, given.name, given.default)
    tables, made_of = [], _made_of(case, given.name)
    trusts = trusts and made_of == ["q"]  # the loop sees no other table as it was given
    for role in made_of:
        table, finite = _table(raw, role, buffers, trusts=trusts)
        if not (finite and given.legal in _HOLDS_FINITE):
            _require(case, raw, role, table, legal)
        tables.append(_filled(role, table, legal, 0.0, buffers))
    if not tables and given.default is not None:
        default = np.full(raw.arrays["logits"].T.shape, float(given.default))
        return default if legal is None else default * legal
    return tables[0] if len(tables) == 1 else CRITICS[settings.critics](tables)


def _made_of(case: Case, given: str) -> list[str]:
    """Return the tables that a given comes from: Q from all critics, where there are such."""
    if given == "q" and case.roles.has_critics:
        return list(filter(is_q, case.tables))
    return [given] if given in case.tables else []


def temperature_of(case: Case, raw: RawBlock) -> PerState | None:
    """Return what the logits are divided by, or None where that is 1 throughout."""
    name = case.variant.temperature
    if name is None or name not in case.tables:
        return None
    return _given_of_states(case, raw, name)


def _filled(
    role: str, table: Entries, legal: Flags | None, value: float, buffers: Buffers
) -> Entries:
    """Return a table with a value where an action is masked."""
    if legal is None:
        return table
    out = buffers(_named(role), table.shape)
    np.copyto(out, table)
    np.copyto(out, value, where=~legal)
    return out


def _divided(
    case: Case, raw: RawBlock, logits: Entries, temperature: PerState, buffers: Buffers
) -> Entries:
    """Return the logits over the temperature."""
    bottomless = logits == -np.inf
    with np.errstate(over="ignore"):
        divided = np.divide(logits, temperature, out=buffers(_named("logits"), logits.shape))
    over = np.flatnonzero((np.isinf(divided) & ~bottomless).any(axis=0))
    if over.size:
        raise InputError(
            case.place("logits", raw.start + int(over[0])),
            "logits that are beyond float64 once they are divided by the temperature",
            "finite ones",
            f"Check how {case.variant.temperature} was dumped.",
        )
    return divided


def _table(raw: RawBlock, role: str, buffers: Buffers, *, trusts: bool) -> tuple[Entries, bool]:
    """Return a table of a block, not to be written to, and whether it is, or taken to be, finite.

    A sum is finite only if all of its terms are. It reads the table in order, which a transposed
    copy does not: with the sum before it, both together take less than the copy alone.
    """
    table = raw.arrays[role]
    with np.errstate(all="ignore"):
        finite = trusts or bool(np.isfinite(table.sum(dtype=np.float64)))
    return buffers.given(_named(role), table.T), finite


def _named(role: str) -> str:
    """Return the name of the array that a table of a block is laid out in."""
    return f"given.{role}"


def _factor(case: Case, raw: RawBlock, context: Context) -> PerState:
    """Return what multiplies the loss."""
    factor = np.array([context.reduction])
    if "weights" in case.tables:
        factor = factor * _given_of_states(case, raw, "weights")
    return factor


def _dump(
    case: Case, raw: RawBlock, role: str, settings: Settings, buffers: Buffers, *, trusts: bool
) -> Dump:
    """Return what was dumped for a block, with its precisions."""
    finite = False
    if role in case.scalars:
        values = np.array(case.scalars[role], dtype=np.float64)
    elif case.roles[role].kind is Kind.TABLE:
        values, finite = _table(raw, role, buffers, trusts=trusts)
        finite &= not trusts  # that it is taken to be is enough to lay it out
    else:
        values = _of_states(case, raw, role)
    stored, computed = precisions(case, role, settings)
    decimal = decimal_of(case, role, settings)
    return Dump(values, stored, computed, settings.tolerance_factor, finite, decimal)


def _given_of_states(
    case: Case, raw: RawBlock, role: str, default: Fraction | None = None
) -> PerState:
    """Return a given of the states of a block, its values checked, or what it is by default."""
    if role not in case.tables and default is not None:
        return np.array([float(default)])
    given = _of_states(case, raw, role)
    _require(case, raw, role, given, None)
    return given


def _of_states(case: Case, raw: RawBlock, role: str) -> PerState:
    """Return a quantity of the states of a block."""
    if role in case.scalars:
        return np.array([case.scalars[role]], dtype=np.float64)
    return raw.arrays[role].astype(np.float64)


def precisions(case: Case, role: str, settings: Settings) -> tuple[Precision, Precision]:
    """Return what a dump was rounded to and what it was computed in."""
    stored = Precision.of(case.tables[role].dtype)
    if role == "grad" and settings.grad_dtype is not None:
        stored = Precision(settings.grad_dtype)
    computed = Precision(settings.compute_dtype) if settings.compute_dtype else stored
    return stored, computed


def decimal_of(case: Case, role: str, settings: Settings) -> float:
    """Return half of the last decimal that a dump was printed with, and what it is made of; or 0.

    Who says how exact it is outranks what it looks like.
    """
    if case.tables[role].decimals is None or settings.grad_dtype or settings.compute_dtype:
        return 0.0
    givens = (each for given in case.variant.givens for each in _made_of(case, given.name))
    tables = [case.tables[each] for each in (role, "logits", *givens)]
    return 0.5 * 10.0 ** -min(table.decimals for table in tables if table.decimals is not None)


def _legal(
    case: Case,
    raw: RawBlock,
    logits: Entries,
    masking: Masking,
    finite: bool,
    buffers: Buffers,
) -> Flags | None:
    """Return where an action is legal, or None if all are: the mask and the logit must allow it."""
    allowed = raw.arrays["mask"].T.astype(np.bool_) if "mask" in raw.arrays else None
    if allowed is None and finite:
        return None
    open_ = logits != -np.inf
    legal: Flags = open_ if allowed is None else allowed & open_
    if allowed is not None:
        masking.disagreements += int(np.count_nonzero(allowed & ~open_))
    _require(case, raw, "logits", logits, allowed)
    masking.masked += buffers.number_in_all(~legal)
    empty = np.flatnonzero(~legal.any(axis=0))
    if empty.size:
        role = "mask" if allowed is not None else "logits"
        raise InputError(
            case.place(role, raw.start + int(empty[0])),
            "a state without a legal action",
            "at least one",
            "Leave such states out of the dump.",
        )
    return legal


def _require(case: Case, raw: RawBlock, role: str, given: Quantity, legal: Flags | None) -> None:
    """Raise InputError at the first legal entry whose value its role may not hold."""
    domain = case.roles[role].domain
    right = domain.includes(given)
    wrong = ~right if legal is None else legal & ~right
    if not wrong.any():
        return
    row, *action = (int(i) for i in np.argwhere(wrong.T)[0])
    if role in case.scalars:
        where, value = case.tables[role].where, case.scalars[role]
    else:
        where = case.place(role, raw.start + row, *action)
        value = raw.arrays[role][(row, *action)]
    raise InputError(where, _spelled(value), domain.words, domain.hint)


def _spelled(number: Any) -> str:
    """Return a number as people write it."""
    return "NaN" if np.isnan(number) else repr(float(number))
