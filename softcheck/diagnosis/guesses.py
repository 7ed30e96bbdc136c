"""Which mistakes of a loss that is a formula can have made a gradient, on a part of the states."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import inf, isfinite, log2
from typing import NamedTuple, TypeAlias

import numpy as np

from softcheck.checks.dumps import sides
from softcheck.checks.evaluation import Evaluation
from softcheck.diagnosis.hypothesis import FEW as UNITS
from softcheck.diagnosis.hypothesis import (
    FREE,
    IN_SIXTEEN_BITS,
    NAMED,
    Coarse,
    Guess,
    Prediction,
    weigh,
)
from softcheck.diagnosis.labels import Relabelled, Relabelling, relabellings
from softcheck.diagnosis.mistakes import moves
from softcheck.diagnosis.mistakes.generated import TERM_SCALED
from softcheck.diagnosis.mistakes.policy import SOFTMAX_OVER_STATES
from softcheck.diagnosis.mistakes.read_off import LOSS_SCALED, LOSS_SCALES, OTHER_SCALE
from softcheck.diagnosis.mistakes.record import Move
from softcheck.diagnosis.mistakes.weights import WEIGHTS_IGNORED
from softcheck.diagnosis.mistakes.where import LOW_PRECISION
from softcheck.diagnosis.points import Number, scales
from softcheck.diagnosis.sieve import coarser, credible, reproduces, simplest
from softcheck.diagnosis.states import evaluated
from softcheck.diagnosis.view import View, dot
from softcheck.gradient.definition import Program, Term, Wrong
from softcheck.gradient.policy import Buffers, Entries
from softcheck.gradient.tolerance import Precision
from softcheck.settings import Settings
from softcheck.tables.case import Case

Tables: TypeAlias = tuple[Entries, ...]

_NEAR = 0.05  # of a scale
_LARGE = 0.1  # of the largest entry of a state
_NEAR_POWER = 0.02
_FEWEST = 4.0  # entries that do not follow from others, for a number that is fitted


class Formulas:
    """Gradients that are programs, on the states of a view.

    Parameters
    ----------
    case : Case
    settings : Settings
    view : View
        With its `raw` block.
    """

    def __init__(self, case: Case, settings: Settings, view: View) -> None:
        if view.raw is None:
            raise TypeError(view)
        self.view, self.case = view, case
        self.relabelled = Relabelled(case, settings, view)
        loss = replace(case.variant, family=None)
        self._e = evaluated(case, settings, view.raw, Buffers(), view.shared, loss)
        self._even = view.e
        if "weights" in case.tables:
            tables = {role: table for role, table in case.tables.items() if role != "weights"}
            even, given = replace(case, tables=tables), case.variant
            self._even = evaluated(even, settings, view.raw, Buffers(), view.shared, given)

    def predict(self, guess: Guess) -> Prediction:
        """Return what is predicted, within the tolerance rule of a dumped gradient."""
        view = self.view
        value, tolerance = np.zeros_like(view.grad), np.zeros_like(view.grad)
        with np.errstate(all="ignore"):
            if guess.move is not None:
                value, tolerance = self.moved(guess.move)
                value, tolerance = guess.factor * value, abs(guess.factor) * tolerance
            elif guess.labels is not None:
                value, tolerance = self.relabelled.gradient(guess.labels, guess.factor)
            for slope, times in guess.parts if guess.is_plain or guess.coarse else ():
                e = self._on(slope, times, guess.coarse, even=guess.even)
                found = sides(e, "gradient")
                value += found.expected
                tolerance += found.tolerance
            if guess.in_part:
                _, expected, own, _ = view.of_eq_6
                value = np.where(view.wrong_rows, value, expected)
                tolerance = np.where(view.wrong_rows, tolerance, own)
            tolerance[~np.isfinite(value)] = 0.0  # no gradient is like that
            tolerance[~np.isfinite(view.grad)] = inf
        return Prediction(value, tolerance)

    def value(self, slope: Program | None, *, even: bool = False) -> Entries:
        """Return a gradient as it would be declared, `even` where all states weigh the same."""
        e = self._on(slope, 1.0, even=even)
        with np.errstate(all="ignore"):
            value: Entries = e.gradient * e.factor
        return value

    def moved(self, move: Move) -> Tables:
        """Return what became of the right gradient, and its tolerance."""

        def tables(view: View) -> Tables:
            found = sides(view.e, "gradient")
            return move.of(view, (found.expected, found.tolerance))

        view = self.view
        if not move.whole:
            return tables(view)
        kept = view.shared.tables
        if move not in kept:
            kept[move] = tables(view.shared.whole[0])
        return tuple(table[:, view.states] for table in kept[move])

    def _on(
        self,
        slope: Program | None,
        times: float,
        coarse: Coarse | None = None,
        *,
        even: bool = False,
    ) -> Evaluation:
        e = self.view.e if slope is None else self._e
        if even:
            e = self._even
        dumps, loss = e.dumps, e.context.loss
        if coarse is not None:
            dump, factor = dumps["gradient"], 1.0
            if coarse.computed is not dump.computed:
                single = coarse.computed.unit <= Precision.FLOAT32.unit
                factor = (UNITS if single else IN_SIXTEEN_BITS) / coarse.computed.factor
            made = replace(dump, **coarse._asdict(), factor=factor * dump.factor)
            dumps = {**dumps, "gradient": made}
        if slope is not None and loss is not None:
            loss = replace(loss, slope=slope)
        context = replace(e.context, loss=loss)
        return replace(e, factor=e.factor * times, dumps=dumps, context=context)


def survivors(
    on: Formulas, wrongs: Sequence[Wrong], terms: Sequence[Term], across: Move | None
) -> list[Guess]:
    """Return what reproduces all entries of some states, the simplest first.

    `across` is what becomes of the gradient where the softmax runs over states.
    """
    found: list[Guess] = []
    for guess in _suspects(on, wrongs, across):
        # What holds in all states is not said of some.
        tried = (guess, *_in_part(on.view, guess))
        found += next(([made] for made in tried if _survives(on, made)), [])
    # A number that is fitted assumes more than a name does, and less than one for each state.
    if all(made.cost > FREE for made in found):
        found += [made for made in _fitted(on, terms) if _survives(on, made)]
    return simplest(found)


def _survives(on: Formulas, guess: Guess) -> bool:
    prediction = on.predict(guess)
    if not reproduces(on.view, prediction):
        return False
    return credible(on.view, guess, weigh(on.view, guess, prediction))


def _suspects(on: Formulas, wrongs: Sequence[Wrong], across: Move | None) -> Iterator[Guess]:
    """Yield the mistakes at the named scales that a gradient may have, and coarse arithmetic."""
    view = on.view
    if (view.wrong & np.isfinite(view.grad)).any():
        named = scales(view)
        of_scales = {code for _, codes in named for code in codes}
        yield from _at_scales(on, None, named)
        if "weights" in view.given:
            yield from _unweighted(on, named)
        for code, move in moves(view):
            yield from _moved(on, code, move, named)
        if across is not None and view.shared.whole and SOFTMAX_OVER_STATES.needs.met(view):
            yield from _moved(on, SOFTMAX_OVER_STATES.code, across, named)
        for labels in relabellings(on.case, view):
            yield from _relabelled(on, labels, named)
        for wrong in wrongs:
            if wrong.code not in of_scales:
                yield from _at_scales(on, wrong, named)
    for coarse in coarser(view.dump):
        yield Guess(((None, 1.0),), (LOW_PRECISION.code,), 2.5 * FREE, coarse=coarse)


def _at_scales(on: Formulas, wrong: Wrong | None, named: Sequence[Number]) -> Iterator[Guess]:
    """Yield the right gradient, or that of a mistake, at scales that the dumped one nearly has."""
    slope, own = (None, ()) if wrong is None else (wrong.slope, (wrong.code,))
    if wrong is not None and wrong.is_zero:
        yield Guess(((slope, 1.0),), own, NAMED, wrong)
        return
    for scale, codes in _near(on.view, on.value(slope), named):
        if names := (*own, *codes):
            yield Guess(((slope, scale),), names, NAMED * len(names), wrong)


def _unweighted(on: Formulas, named: Sequence[Number]) -> Iterator[Guess]:
    """Yield the right gradient of states that all weigh the same, at such scales."""
    for scale, codes in _near(on.view, on.value(None, even=True), named):
        names = (WEIGHTS_IGNORED.code, *codes)
        yield Guess(((None, scale),), names, NAMED * len(names), even=True)


def _moved(on: Formulas, code: str, move: Move, named: Sequence[Number]) -> Iterator[Guess]:
    """Yield what became of the right gradient, at such scales."""
    if move.cost > NAMED:  # it reads its numbers off the gradient, and has no others
        yield Guess(((None, 1.0),), (code,), move.cost, move=move)
        return
    for scale, codes in _near(on.view, on.moved(move)[0], named):
        names = (code, *codes)
        yield Guess(((None, scale),), names, move.cost + NAMED * len(codes), move=move)


def _relabelled(on: Formulas, labels: Relabelling, named: Sequence[Number]) -> Iterator[Guess]:
    """Yield the gradient of other numbers of actions, at such scales if they are not read off."""
    if labels.is_read:
        yield Guess(((None, 1.0),), (labels.code,), FREE, labels=labels)
        return
    for scale, codes in _near(on.view, on.relabelled.gradient(labels, 1.0)[0], named):
        names = (labels.code, *codes)
        yield Guess(((None, scale),), names, NAMED * len(names), labels=labels)


def _in_part(view: View, guess: Guess) -> Iterator[Guess]:
    """Yield what some states alone may have, where others are right and it is one mistake."""
    some = 0 < view.wrong_states < view.states.size
    if some and guess.is_plain and len(guess.names) == 1:
        yield replace(guess, cost=guess.cost + NAMED, in_part=True)


def _near(view: View, value: Entries, named: Sequence[Number]) -> Iterator[Number]:
    """Yield the scales that a gradient nearly has where it is wrong, by the median of its entries.

    Small entries, which rounding may have moved by more, do not count. Where it ought to be 0
    wherever it is wrong, as in states that were left out, the other states tell.
    """
    size = np.where(np.isfinite(value) & np.isfinite(view.grad), np.abs(value), 0.0)
    rows = view.wrong_rows if size[:, view.wrong_rows].any() else slice(None)
    grad, value, size = view.grad[:, rows], value[:, rows], size[:, rows]
    large = size > _LARGE * size.max(axis=0)
    if large.any():
        seen = float(np.median(grad[large] / value[large]))
        yield from (each for each in named if abs(each.value - seen) <= _NEAR * abs(seen))


def _fitted(on: Formulas, terms: Sequence[Term]) -> Iterator[Guess]:
    """Yield one number that was fitted: the scale of the gradient, or the factor of a term."""
    view = on.view
    numbers = float(np.maximum(view.legal.sum(axis=0) - 1.0, 0.0).sum())
    grad, right = view.weighed(view.grad), view.weighed(view.of_eq_6.expected)
    scale = dot(grad, right) / (dot(right, right) or 1.0)
    if numbers < _FEWEST or not isfinite(scale):
        return
    power = log2(scale) if scale > 1.0 else 0.0
    if round(power) in LOSS_SCALES and abs(power - round(power)) < _NEAR_POWER:
        yield Guess(((None, 2.0 ** round(power)),), (LOSS_SCALED.code,), NAMED)
    yield Guess(((None, scale),), (OTHER_SCALE.code,), FREE)
    for term in sorted(terms, key=lambda term: not term.is_outer) if numbers >= 2 * _FEWEST else ():
        part = view.weighed(on.value(term.slope))
        more = dot(grad - right, part) / (dot(part, part) or 1.0)
        if isfinite(more):
            parts = ((None, 1.0), (term.slope, more))
            yield Guess(parts, (TERM_SCALED.code,), NAMED + FREE, term=term)
    outer = _outer(on, terms)
    if 1 < len(outer) <= numbers / (2 * _FEWEST):
        found, _ = factors(on, terms)
        several = tuple((term.slope, x.factor) for term, x in zip(outer, found, strict=True))
        cost = NAMED + FREE * len(outer)
        yield Guess(several, (TERM_SCALED.code,), cost, terms=outer)


class Factor(NamedTuple):
    """What a term is multiplied by, and its standard error."""

    term: str
    factor: float
    error: float

    def __str__(self) -> str:
        return f"({self.factor:.4g} ± {self.error:.1g}) times {self.term}"


def factors(on: Formulas, terms: Sequence[Term]) -> tuple[list[Factor], float]:
    """Return the factors of the terms by least squares, and what part of the gradient is left."""
    named: list[tuple[str, Program | None]]
    named = [(term.text, term.slope) for term in _outer(on, terms)] or [("the loss", None)]
    grad = on.view.weighed(on.view.grad).ravel()
    columns = np.stack([on.view.weighed(on.value(slope)).ravel() for _, slope in named], axis=1)
    size = np.linalg.norm(columns, axis=0)
    columns /= np.where(size > 0, size, 1.0)
    found, *_ = np.linalg.lstsq(columns, grad, rcond=None)
    rest = grad - np.einsum("ei,i->e", columns, found)
    freedom = max(1, int(np.count_nonzero(grad)) - len(named))
    spread = np.linalg.pinv(np.einsum("ei,ej->ij", columns, columns)).diagonal()
    left = float(np.linalg.norm(rest) / (np.linalg.norm(grad) or 1.0))
    size = np.where(size > 0, size, np.inf)
    errors = np.sqrt(np.maximum(spread, 0.0) / freedom) * np.linalg.norm(rest) / size
    made = zip(named, found / size, errors, strict=True)
    return [Factor(text, float(x), float(error)) for (text, _), x, error in made], left


def _outer(on: Formulas, terms: Sequence[Term]) -> list[Term]:
    """Return the terms that add up to the loss, but for those that have no gradient here."""
    return [term for term in terms if term.is_outer and on.value(term.slope).any()]
