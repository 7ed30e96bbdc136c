"""By what the two sides of a step differ for every n: where it is short, it is the error itself."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from softcheck.derive.expr import Condition, Delta, Diff, Expr, Mul, Sym, minus, walk
from softcheck.derive.givens import Basis
from softcheck.derive.kernel.normal_form import NormalForm
from softcheck.derive.kernel.polynomials import Polynomial, renamed
from softcheck.derive.kernel.terms import OutsideError
from softcheck.derive.kernel.theorems import Facts, Lemma, lemma
from softcheck.derive.writing import formula

TERMS = 6
"""A longer difference says less than the counterexample beside it."""


def difference(
    left: Expr, right: Expr, conditions: Sequence[Condition], known: Basis
) -> Expr | None:
    """Return `left - right` in the fewest terms that some of the definitions bring it to.

    Parameters
    ----------
    left, right : Expr
    conditions : sequence of Condition
        Where it is to be that.
    known : Basis

    Returns
    -------
    Expr or None
        None where it has more than `TERMS` terms, or nothing cancels in it.
    """
    found: list[tuple[bool, int, Expr]] = []
    for facts in _facts(left, right, known):
        form = NormalForm(facts)
        try:
            sides = len(form.of(left)) + len(form.of(right))
            rest = under(conditions, form.difference(left, right))
        except (OutsideError, RecursionError):
            continue
        if 0 < len(rest) <= TERMS and len(rest) < sides:
            written = formula(rest)
            open_derivative = any(isinstance(node, Diff) for node in walk(written))
            found.append((open_derivative, len(rest), written))
    return min(found, key=lambda each: each[:2])[2] if found else None


def _facts(left: Expr, right: Expr, known: Basis) -> Iterator[Facts]:
    """Yield what may be used: no definition, all but those of policies, and all."""
    lemmas = tuple(_jacobians(left, right, known))
    policies = {each.left.name for each in lemmas}
    for names in ((), known.definitions.keys() - policies, known.definitions):
        yield replace(known.facts(names), lemmas=lemmas, ones=known.ones)


def _jacobians(left: Expr, right: Expr, known: Basis) -> Iterator[Lemma]:
    """Yield the derivative of each policy that is a softmax, in terms of the policy itself."""
    variables = {
        node.by.name
        for tree in (left, right)
        for node in walk(tree)
        if isinstance(node, Diff) and len(node.by.args) == 1
    }
    for name in sorted(known.ones & known.definitions.keys()):
        at, other = Sym(name, ("i",)), Sym(name, ("j",))
        for variable in sorted(variables - known.definitions.keys()):
            derivative = Diff(at, Sym(variable, ("j",)))
            softmax = Mul((at, minus(Delta("i", "j"), other)))
            try:
                proved = NormalForm(known.facts()).proved(derivative, softmax)
            except OutsideError:
                continue
            stated = None if proved is None else lemma(proved, name)
            if stated is not None:
                yield stated


def under(conditions: Sequence[Condition], polynomial: Polynomial) -> Polynomial:
    """Return a polynomial as it is where some actions are equal and others are not."""
    for condition in conditions:
        both = {condition.left, condition.right}
        if condition.relation == "=":
            polynomial = renamed(polynomial, {condition.right: condition.left})
        elif condition.relation == "≠":
            polynomial = {
                product: coefficient
                for product, coefficient in polynomial.items()
                if not any(both <= set(group) for group in product.classes)
            }
    return polynomial
