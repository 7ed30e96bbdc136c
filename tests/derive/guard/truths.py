"""Formulas as people write them, and what equals each: rules that this folder alone knows."""

from fractions import Fraction

from nodes import (
    ALPHA,
    INDEXED,
    MEANINGS,
    ONE,
    TWO,
    ZERO,
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
    copied,
    free,
    fresh,
    meaning,
    mentions,
    minus,
    mul,
    neg,
    places,
    put,
    renamed,
    size,
)

LARGEST = 45
"""Nodes of a formula; a rule that makes a larger one is not applied."""


def pi(index):
    return Chance("pi", index)


def log_pi(index):
    return Log(pi(index))


def over(build, skip=None):
    """Return a sum of what a function makes of its index."""
    index = fresh()
    return Sum(index, build(index), skip)


def logits_sum():
    return over(lambda index: Exp(Entry("theta", index)))


class Writer:
    """Draw formulas over the indices that a statement has."""

    def __init__(self, rng, indices, names):
        self.rng = rng
        self.indices = indices
        self.names = names

    def index(self):
        return self.rng.choice(self.indices)

    def at(self, index):
        """Return something that depends on an action."""
        q = Entry("Q", index)
        options = [
            q,
            q,
            log_pi(index),
            pi(index),
            minus(q, mul(ALPHA, log_pi(index))),
            Power(q, self.rng.choice([2, 3])),
            minus(log_pi(index), Log(Chance("mu", index))),
            Power(pi(index), 2),
            minus(q, over(lambda other: mul(pi(other), Entry("Q", other)))),
            mul(pi(index), log_pi(index)),
            Delta(index, self.index()),
            Quotient(q, ALPHA),
            add(q, Scalar("beta")),
            Power(minus(q, Scalar("beta")), 2),
            *(Named(name, index) for name in self.names if name in INDEXED),
        ]
        return self.rng.choice(options)

    def scalar(self):
        """Return something that depends on the logits only."""
        index, other = fresh(), fresh()
        options = [
            Sum(index, mul(pi(index), self.at(index))),
            Sum(index, mul(pi(index), self.at(index))),
            Mean(index, self.at(index)),
            Mean(index, self.at(index)),
            Sum(index, self.at(index)),
            Entropy(),
            Divergence(),
            Log(logits_sum()),
            Sum(index, mul(pi(index), self.at(index)), self.index()),
            Sum(index, Sum(other, mul(pi(index), pi(other), self.at(index), self.at(other)))),
            Sum(
                index, Sum(other, mul(pi(index), pi(other), minus(self.at(index), self.at(other))))
            ),
            Sum(index, Sum(other, mul(pi(index), self.at(other)), index)),
            Power(Sum(index, mul(pi(index), self.at(index))), 2),
            add(Mean(index, Entry("Q", index)), mul(ALPHA, Entropy())),
            *(Named(name) for name in self.names if name not in INDEXED),
        ]
        return self.rng.choice(options)

    def counted(self):
        """Return something with powers of the number of actions."""
        index, other = fresh(), fresh()
        power = Power(N, self.rng.choice([2, 3]))
        options = [
            Sum(index, Sum(other, ONE)),
            Sum(index, mul(power, pi(index))),
            Sum(index, N),
            Sum(index, ONE, self.index()),
            Sum(index, Sum(other, ONE, index)),
            Quotient(Sum(index, self.at(index)), N),
            mul(power, self.scalar()),
            Sum(index, minus(self.at(index), Quotient(self.scalar(), N))),
            Sum(index, Sum(other, add(self.at(index), self.at(other)))),
            Sum(index, Sum(other, Delta(index, other))),
            minus(power, N),
        ]
        return self.rng.choice(options)

    def left(self):
        """Return one side of a statement."""
        by, at, bound = self.index(), self.index(), fresh()
        second = self.rng.choice(self.indices)
        kind = self.rng.choice(["first"] * 6 + ["second"] * 2 + ["inside", "plain", "count"])
        if kind == "first":
            body = self.rng.choice([self.scalar(), self.scalar(), self.at(at), log_pi(at), pi(at)])
            return Slope(by, body)
        if kind == "second":
            scalars = [Entropy(), Log(logits_sum()), Sum(bound, mul(pi(bound), Entry("Q", bound)))]
            body = self.rng.choice([log_pi(at), pi(at), *scalars])
            return Slope(by, Slope(second, body))
        if kind == "inside":
            inner = Slope(by, self.rng.choice([pi(bound), log_pi(bound)]))
            weight = self.rng.choice(
                [ONE, pi(bound), self.at(bound), mul(pi(bound), self.at(bound))]
            )
            return self.rng.choice(
                [Sum(bound, mul(inner, weight)), Mean(bound, mul(inner, weight))]
            )
        if kind == "plain":
            return self.rng.choice(
                [
                    self.scalar(),
                    add(self.scalar(), neg(self.scalar())),
                    mul(self.scalar(), self.at(at)),
                ]
            )
        return self.counted()


def slope(node):  # noqa: C901  one case a node
    """Return what equals a derivative."""
    by, body = node.index, node.body
    match body:
        case Number() | Count() | Scalar():
            return [ZERO]
        case Entry(name, index):
            return [Delta(index, by) if name == "theta" else ZERO]
        case Chance("mu", _) | Log(Chance("mu", _)):
            return [ZERO]
        case Chance(_, index):
            return [
                mul(pi(index), minus(Delta(index, by), pi(by))),
                mul(pi(index), Slope(by, log_pi(index))),
                minus(mul(Delta(index, by), pi(by)), mul(pi(index), pi(by))),
            ]
        case Log(Chance(_, index)):
            return [minus(Delta(index, by), pi(by)), Quotient(Slope(by, pi(index)), pi(index))]
        case Log(Sum(_, Exp(Entry("theta", _)), None)):
            return [pi(by)]
        case Log(inner):
            return [Quotient(Slope(by, inner), inner)]
        case Exp(inner):
            return [mul(body, Slope(by, inner))]
        case Add(terms):
            return [add(*(Slope(by, each) for each in terms))]
        case Mul(factors):
            return [
                add(
                    *(
                        mul(*factors[:number], Slope(by, each), *factors[number + 1 :])
                        for number, each in enumerate(factors)
                    )
                )
            ]
        case Power(base, exponent):
            return [mul(Number(Fraction(exponent)), power(base, exponent - 1), Slope(by, base))]
        case Quotient(top, bottom):
            return [
                minus(
                    Quotient(Slope(by, top), bottom),
                    Quotient(mul(top, Slope(by, bottom)), Power(bottom, 2)),
                )
            ]
        case Sum(index, inner, skip):
            return [Sum(index, Slope(by, inner), skip)]
        case Mean(index, inner):
            score = mul(inner, Slope(by, log_pi(index)))
            return [
                Mean(index, add(Slope(by, inner), score)),
                Slope(by, Sum(index, mul(pi(index), inner))),
            ]
        case Entropy():
            return [neg(mul(pi(by), add(log_pi(by), Entropy())))]
        case Divergence():
            gap = minus(minus(log_pi(by), Log(Chance("mu", by))), Divergence())
            return [mul(pi(by), gap)]
        case Named():
            return [Slope(by, meaning(body))]
    return []


def power(base, exponent):
    return base if exponent == 1 else Power(base, exponent)


def total(node):  # noqa: C901  one case a node
    """Return what equals a sum."""
    index, body, skip = node.index, node.body, node.skip
    found = []
    if skip is not None:
        found.append(minus(Sum(index, body), renamed(copied(body), index, skip)))
        return found
    match body:
        case Add(terms):
            found.append(add(*(copied(Sum(index, each)) for each in terms)))
        case Mul(factors):
            loose = [each for each in factors if index not in free(each)]
            rest = [each for each in factors if index in free(each)]
            if loose:
                found.append(mul(*loose, Sum(index, mul(*rest))))
            for each in factors:
                if (
                    isinstance(each, Delta)
                    and index in {each.left, each.right}
                    and each.left != each.right
                ):
                    other = each.right if each.left == index else each.left
                    others = [part for part in factors if part is not each]
                    found.append(renamed(mul(*others), index, other))
            chances = [each for each in factors if each == pi(index)]
            if chances:
                others = list(factors)
                others.remove(chances[0])
                found.append(Mean(index, mul(*others)))
        case Chance():
            found.append(ONE)
        case Slope(_, Chance("pi", of)) if of == index:
            found.append(ZERO)
        case Sum(inner, deep, None):
            found.append(Sum(inner, Sum(index, deep)))
        case Delta(left, right) if left != right:
            found.append(ONE)
    if index not in free(body):
        found.append(mul(N, body))
    return found


def product(node):
    """Return what equals a product."""
    factors = node.factors
    found = []
    for number, each in enumerate(factors):
        rest = factors[:number] + factors[number + 1 :]
        if isinstance(each, Add):
            found.append(add(*(mul(*map(copied, rest), term) for term in each.terms)))
        if isinstance(each, Sum) and each.skip is None:
            found.append(Sum(each.index, mul(each.body, *rest)))
        if isinstance(each, Power):
            found.append(mul(each.base, power(each.base, each.exponent - 1), *rest))
        if isinstance(each, Delta) and len({each.left, each.right}) == 2:
            swapped = [renamed(part, each.left, each.right) for part in rest]
            found.append(mul(each, *swapped))
    numbers = [each for each in factors if isinstance(each, Number)]
    rest = [each for each in factors if not isinstance(each, Number)]
    found.append(mul(*numbers, *rest[::-1]))
    return found


def special(node, rng, indices):  # noqa: C901  one case a node
    """Return what equals a formula that is neither a derivative, a sum nor a product."""
    match node:
        case Named():
            return [meaning(node)]
        case Entropy():
            return [neg(over(lambda i: mul(pi(i), log_pi(i)))), neg(_mean(log_pi))]
        case Divergence():
            return [
                over(lambda i: mul(pi(i), Log(Quotient(pi(i), Chance("mu", i))))),
                over(lambda i: mul(pi(i), minus(log_pi(i), Log(Chance("mu", i))))),
                _mean(lambda i: minus(log_pi(i), Log(Chance("mu", i)))),
                minus(neg(over(lambda i: mul(pi(i), Log(Chance("mu", i))))), Entropy()),
            ]
        case Log(Chance("pi", index)):
            return [minus(Entry("theta", index), Log(logits_sum()))]
        case Log(Quotient(top, bottom)):
            return [minus(Log(top), Log(bottom))]
        case Chance("pi", index):
            return [Quotient(Exp(Entry("theta", index)), logits_sum()), Exp(log_pi(index))]
        case Mean(index, body):
            return [Sum(index, mul(pi(index), body))]
        case Add(terms):
            moved = list(terms)
            rng.shuffle(moved)
            return [Add(tuple(moved)), common(node)]
        case Power(base, exponent):
            expanded = [mul(base, power(copied(base), exponent - 1))]
            if isinstance(base, Add) and exponent == 2:
                first, rest = base.terms[0], add(*base.terms[1:])
                square = [Power(first, 2), mul(TWO, first, rest), Power(copied(rest), 2)]
                expanded.append(add(*square))
            return expanded
        case Quotient(Add(terms), bottom):
            return [add(*(Quotient(each, copied(bottom)) for each in terms))]
        case Quotient(top, bottom) if top == bottom:
            return [ONE]
        case Delta(left, right):
            return [Delta(right, left), Power(node, 2)]
        case Count():
            return [over(lambda _: ONE)]
        case Number(value) if value == 1:
            return [over(pi), _mean(lambda _: ONE)]
        case Number(value) if value == 0 and indices:
            return [
                over(lambda i: Slope(indices[0], pi(i))),
                _mean(lambda i: Slope(indices[0], log_pi(i))),
            ]
    return []


def _mean(build):
    index = fresh()
    return Mean(index, build(index))


def common(node):
    """Return a sum with a factor that all of its terms share in front, where one is shared."""
    lists = [list(each.factors) if isinstance(each, Mul) else [each] for each in node.terms]
    for factor in lists[0]:
        if not isinstance(factor, Number) and all(factor in each for each in lists[1:]):
            for each in lists:
                each.remove(factor)
            return mul(factor, add(*(mul(*each) for each in lists)))
    return node


def rewritings(node, rng, indices):
    """Return formulas that equal one."""
    match node:
        case Slope():
            return slope(node)
        case Sum():
            return total(node)
        case Mul():
            return product(node)
        case _:
            return special(node, rng, indices)


def rewritten(node, rng, indices, steps):
    """Return a formula that equals one, rewritten at some places, derivatives above all."""
    for _ in range(steps):
        every = list(places(node))
        weights = [
            6 if isinstance(each, Slope) else 2 if isinstance(each, Sum) else 1 for _, each in every
        ]
        for path, part in rng.choices(every, weights, k=4):
            options = [each for each in rewritings(part, rng, indices) if each != part]
            if options:
                new = put(node, path, copied(rng.choice(options)))
                if size(new) <= LARGEST:
                    node = new
                    break
    return node


def distinct(node, left, right):
    """Return what a formula is where two indices are different."""
    for path, part in sorted(places(node), key=lambda each: -len(each[0])):
        if isinstance(part, Delta) and {part.left, part.right} == {left, right}:
            return distinct(put(node, path, ZERO), left, right)
    return node


def joined(node, left, right):
    """Return what a formula is where two indices are equal."""
    node = renamed(node, left, right)
    for path, part in places(node):
        if isinstance(part, Delta) and part.left == part.right:
            return joined(put(node, path, ONE), left, right)
    return node


def vectorial(node, by):
    """Tell whether each term is linear in derivatives by one index, which stands nowhere else."""
    match node:
        case Slope(index, body):
            return index == by and by not in free(body) and not mentions(body, Slope)
        case Add(terms):
            return all(vectorial(each, by) for each in terms)
        case Mul(factors):
            inside = [each for each in factors if by in free(each)]
            return len(inside) == 1 and vectorial(inside[0], by)
        case Sum(_, body) | Mean(_, body):
            return vectorial(body, by)
        case Number(value):
            return value == 0
    return False


NAMES = tuple(MEANINGS)
