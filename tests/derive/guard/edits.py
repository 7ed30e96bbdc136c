"""One edit of a formula, such as a slip of the pen: most make a true statement false."""

from fractions import Fraction

from nodes import (
    ALPHA,
    ONE,
    Add,
    Chance,
    Count,
    Delta,
    Divergence,
    Entropy,
    Entry,
    Exp,
    Log,
    Mean,
    Mul,
    N,
    Named,
    Number,
    Power,
    Quotient,
    Scalar,
    Slope,
    Sum,
    add,
    mul,
    neg,
    places,
    put,
)


def slips(node, visible):  # noqa: C901  one case a node
    """Return formulas that one could write for another by mistake."""
    found = [neg(node), add(node, ONE), mul(Number(Fraction(2)), node)]
    match node:
        case Number(value):
            found = [Number(value + 1), Number(-value), Number(value * 2)]
        case Count():
            found = [Power(N, 2), add(N, Number(Fraction(-1))), ONE]
        case Scalar(name):
            found = [ONE, Power(node, 2), Scalar("beta" if name == "alpha" else "alpha")]
        case Entry(name, index):
            found = [Entry(other, index) for other in ("theta", "Q") if other != name]
            found += [Entry(name, other) for other in visible if other != index]
            found += [Power(node, 2), ONE]
        case Chance(name, index):
            found = [Chance(name, other) for other in visible if other != index]
            found += [Power(node, 2), Log(node), ONE, Chance("mu" if name == "pi" else "pi", index)]
        case Delta():
            found = [ONE, Number(Fraction(0)), add(ONE, neg(node))]
        case Add(terms):
            found = [add(*terms[:n], neg(each), *terms[n + 1 :]) for n, each in enumerate(terms)]
            found += [add(*terms[:n], *terms[n + 1 :]) for n in range(len(terms))]
        case Mul(factors):
            found = [mul(*factors[:n], *factors[n + 1 :]) for n in range(len(factors))]
            found += [neg(node)]
        case Power(base, exponent):
            found = [base, Power(base, exponent + 1)]
        case Log(body):
            found = [body, neg(node)]
        case Exp(body):
            found = [body, Exp(neg(body))]
        case Quotient(top, bottom):
            found = [top, Quotient(bottom, top), Quotient(top, Power(bottom, 2)), mul(top, bottom)]
        case Sum(index, body, skip):
            found = [
                Sum(index, body, other) for other in (None, *visible) if other not in {skip, index}
            ]
            found += [Mean(index, body)] if skip is None else []
        case Mean(index, body):
            found = [Sum(index, body)]
        case Slope(index, body):
            found = [Slope(other, body) for other in visible if other != index] + [body]
        case Entropy():
            found += [Divergence(), mul(ALPHA, node)]
        case Divergence():
            found += [Entropy(), neg(Entropy())]
        case Named(name, index):
            found += [
                Named(name, other) for other in visible if index is not None and other != index
            ]
            found += [Entry("Q", index)] if index is not None else []
    return found


def bound_at(node, path):
    """Return the indices that sums around a place bind."""
    bound = []
    for step in path:
        if isinstance(node, Sum | Mean):
            bound.append(node.index)
        match node:
            case Add(parts) | Mul(parts):
                node = parts[step]
            case Quotient(top, bottom):
                node = (top, bottom)[step]
            case Power(base):
                node = base
            case _:
                node = node.body
    return bound


def edited(node, rng, indices):
    """Return a formula with one edit at one place."""
    path, part = rng.choice(list(places(node)))
    return put(node, path, rng.choice(slips(part, [*indices, *bound_at(node, path)])))
