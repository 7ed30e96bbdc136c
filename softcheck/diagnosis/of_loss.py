"""The formulas that are made from a loss: its mistakes, its terms, other labels and other axes."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from softcheck.diagnosis.columns import Columns, of_evaluation
from softcheck.diagnosis.labels import relabelled
from softcheck.diagnosis.mistakes.generated import STOP_GRADIENT, TERM_SCALED
from softcheck.diagnosis.mistakes.masks import MASKED_IN_SOFTMAX
from softcheck.diagnosis.mistakes.parts import RIGHT
from softcheck.diagnosis.mistakes.policy import SOFTMAX_OVER_STATES
from softcheck.diagnosis.mistakes.record import Formula
from softcheck.diagnosis.other_softmax import over_masked, over_states
from softcheck.diagnosis.points import scales
from softcheck.diagnosis.view import View
from softcheck.gradient.definition import Generated, Program, Term, Wrong


def formulas(view: View, made: Generated) -> Iterator[Formula]:
    """Yield what the gradient of some states may be in terms of their loss.

    What a named scale says of the whole loss has that name already.
    """
    if made.across is not None:
        if view.shared.whole and SOFTMAX_OVER_STATES.needs.met(view):
            yield from over_states(made.across, view)
        if MASKED_IN_SOFTMAX.needs.met(view):
            yield over_masked(made.across)
    yield from relabelled(view)
    named = {code for _, codes in scales(view) for code in codes}
    yield from (_of_wrong(wrong) for wrong in made.wrongs if wrong.code not in named)


def _of_wrong(wrong: Wrong) -> Formula:
    columns = RIGHT.columns if wrong.is_zero else partial(of_program, slope=wrong.slope)
    return named_by(Formula(columns, is_zero=wrong.is_zero), wrong)


def named_by(formula: Formula, wrong: Wrong) -> Formula:
    """Return a formula as that of a mistake of the loss."""
    said = wrong.said + (f", {wrong.term}" if wrong.code == STOP_GRADIENT.code else "")
    return replace(formula, code=wrong.code, said=said, wrong=wrong)


def of_program(view: View, slope: Program) -> Columns:
    """Return a gradient of the arrays of a case."""
    e = view.composed
    loss = replace(view.shared.case.variant, family=None, slope=slope)
    return of_evaluation(replace(e, context=replace(e.context, loss=loss)))


def with_terms(terms: Sequence[Term], *, right: bool) -> Formula:
    """Return the terms of a loss, beside the `right` gradient of it or alone."""

    def columns(view: View) -> Columns:
        made = [of_program(view, term.slope) for term in terms]
        first, *others = [of_evaluation(view.e), *made] if right else made
        return first.beside(*others)

    return Formula(columns, code=TERM_SCALED.code, terms=terms)


def outer(view: View, terms: Sequence[Term]) -> list[Term]:
    """Return the terms that add up to the loss, but for those that have no gradient here."""
    return [
        term for term in terms if term.is_outer and np.any(of_program(view, term.slope).values[0])
    ]
