"""Random formulas, rewritings that keep their value, and edits that may change it."""

import random
from fractions import Fraction

from hypothesis import strategies as st

from softcheck.derive.expr import (
    ONE,
    Add,
    Definition,
    Delta,
    Diff,
    Div,
    Exp,
    Expect,
    Log,
    Mul,
    Num,
    Pow,
    Size,
    Sum,
    Sym,
    negative,
)

FREE = ("a", "k")
SOFTMAX = Definition("π", ("a",), Div(Exp(Sym("θ", ("a",))), Sum("b", Exp(Sym("θ", ("b",))))))
SOFT = Definition(
    "g",
    ("a",),
    Add((Sym("Q", ("a",)), negative(Mul((Sym("α"), Log(Sym("π", ("a",)))))))),
)
DEFINITIONS = {"π": SOFTMAX, "g": SOFT}


class Maker:
    """A source of random formulas and of changes to them."""

    def __init__(self, seed):
        self.random = random.Random(seed)  # noqa: S311  formulas, no secrets
        self.names = 0

    def fresh(self):
        self.names += 1
        return f"b_{self.names}"

    # Formulas

    def formula(self, depth=3, scope=FREE):
        pick = self.random.choice
        if depth == 0:
            return self.leaf(scope)
        kind = self.random.randrange(13)
        if kind < 3:
            return Mul((self.formula(depth - 1, scope), self.formula(depth - 1, scope)))
        if kind < 5:
            right = self.formula(depth - 1, scope)
            right = negative(right) if pick((True, False)) else right
            return Add((self.formula(depth - 1, scope), right))
        if kind < 7:
            index = self.fresh()
            skip = (pick(scope),) if self.random.random() < 0.3 else ()
            return Sum(index, self.formula(depth - 1, (*scope, index)), skip)
        if kind == 7:
            index = self.fresh()
            return Expect(index, "π", self.formula(depth - 1, (*scope, index)))
        if kind == 8 and depth >= 2:
            by = pick((Sym("θ", (pick(FREE),)), Sym("α"), Sym("Q", (pick(FREE),))))
            return Diff(self.formula(depth - 2, scope), by)
        if kind == 9:
            return Div(self.formula(depth - 1, scope), self.divisor(scope))
        if kind == 10:
            return self.mean(depth, scope)
        if kind == 11:
            return Exp(self.exponent(scope))
        return Pow(self.leaf(scope), 2)

    def divisor(self, scope):
        """Return what is positive, so that no point has to be left out."""
        index = self.fresh()
        positive = self.random.choice(
            (
                Sym("π", (self.random.choice(scope),)),
                Sym("w", (self.random.choice(scope),)),
                Sym("α"),
                Sum(index, Exp(Div(Sym("Q", (index,)), Sym("α")))),
                Sum(index, Sym("w", (index,))),
            )
        )
        return Pow(positive, 2) if self.random.random() < 0.2 else positive

    def mean(self, depth, scope):
        """Return a mean under weights that do not add up to 1."""
        index, other = self.fresh(), self.fresh()
        body = self.formula(depth - 1, (*scope, index))
        weighted = Sum(index, Mul((Sym("w", (index,)), body)))
        return Div(weighted, Sum(other, Sym("w", (other,))))

    def exponent(self, scope):
        index = self.random.choice(scope)
        return self.random.choice(
            (
                Sym("θ", (index,)),
                Div(Sym("Q", (index,)), Sym("α")),
                Add((Sym("θ", (index,)), negative(Sym("Q", (self.random.choice(scope),))))),
                Log(Sym("π", (index,))),
            )
        )

    def leaf(self, scope):
        pick = self.random.choice
        index = pick(scope)
        return pick(
            (
                Sym("π", (index,)),
                Sym("π", (index,)),
                Sym("g", (index,)),
                Sym("Q", (index,)),
                Sym("θ", (index,)),
                Sym("w", (index,)),
                Sym("α"),
                Delta(index, pick(scope)),
                Log(Sym("π", (index,))),
                Num(Fraction(self.random.randint(1, 3))),
                Size(),
            )
        )

    # Rewritings

    def rewritten(self, tree, times=3):
        for _ in range(times):
            tree = self.somewhere(tree, self.rewriting)
        return tree

    def somewhere(self, tree, change, scope=FREE):
        """Change one random node, knowing the actions that may stand there."""
        places = list(_places(tree, scope))
        path, inner = self.random.choice(places)
        return _replaced(tree, path, lambda node: change(node, inner))

    def rewriting(self, x, scope):
        changes = [self.times_one, self.plus_nothing, self.split_log]
        match x:
            case Mul(factors) if any(isinstance(f, Add) for f in factors):
                changes += [self.distribute] * 4
            case Sum():
                changes += [self.split_sum, self.rename, self.over_terms, self.pick_out] * 2
            case Expect():
                changes += [self.as_sum] * 4
            case Add():
                changes += [self.shuffle_terms] * 2
            case Diff():
                changes += [self.product_rule, self.quotient_rule, self.lemma] * 3
            case Div():
                changes += [self.split_quotient, self.as_power, self.into_sum, self.expanded] * 2
            case Exp():
                changes += [self.split_exponential] * 3
            case Pow():
                changes += [self.unpower] * 3
            case Sym("g"):
                changes += [self.unfold] * 3
        return self.random.choice(changes)(x, scope)

    def times_one(self, x, scope):
        index = self.fresh()
        one = self.random.choice(
            (
                Sum(index, Sym("π", (index,))),
                Expect(index, "π", ONE),
                Sum(index, Delta(index, scope[0])),
                Div(Sym("π", (scope[0],)), Sym("π", (scope[0],))),
                Mul((Exp(Sym("θ", (scope[0],))), Exp(negative(Sym("θ", (scope[0],)))))),
            )
        )
        return Mul((x, one))

    def plus_nothing(self, x, scope):
        index = self.fresh()
        other = self.random.choice(scope)
        kept = self.leaf(scope)
        zero = self.random.choice(
            (
                Diff(Sum(index, Sym("π", (index,))), Sym("θ", (self.random.choice(FREE),))),
                Add((kept, negative(kept))),
                Sum(index, Mul((Delta(index, other), Sym("π", (index,)))), (other,)),
            )
        )
        return Add((x, zero))

    def split_log(self, x, _scope):
        if not (isinstance(x, Log) and isinstance(x.of, Sym)):
            return x
        index = self.fresh()
        lse = Log(Sum(index, Exp(Sym("θ", (index,)))))
        return Add((Sym("θ", x.of.args), negative(lse)))

    def distribute(self, x, _scope):
        place = next(i for i, f in enumerate(x.factors) if isinstance(f, Add))
        rest = (*x.factors[:place], *x.factors[place + 1 :])
        terms = tuple(Mul((*rest[:place], term, *rest[place:])) for term in x.factors[place].terms)
        return Add(terms)

    def split_sum(self, x, scope):
        outside = [i for i in scope if i not in x.skip]
        if x.skip or not outside:
            return x
        other = self.random.choice(outside)
        return Add((_at(x.body, x.index, other), Sum(x.index, x.body, (other,))))

    def rename(self, x, _scope):
        index = self.fresh()
        return Sum(index, _at(x.body, x.index, index), x.skip)

    def over_terms(self, x, _scope):
        if not isinstance(x.body, Add):
            return x
        return Add(tuple(Sum(x.index, term, x.skip) for term in x.body.terms))

    def pick_out(self, x, _scope):
        if not x.skip:
            return x
        apart = (Add((ONE, negative(Delta(x.index, other)))) for other in x.skip)
        return Sum(x.index, Mul((*apart, x.body)))

    def as_sum(self, x, _scope):
        return Sum(x.index, Mul((Sym(x.under, (x.index,)), x.body)))

    def shuffle_terms(self, x, _scope):
        terms = list(x.terms)
        self.random.shuffle(terms)
        return Add(tuple(terms))

    def product_rule(self, x, _scope):
        if not isinstance(x.body, Mul) or len(x.body.factors) != 2:
            return x
        left, right = x.body.factors
        return Add((Mul((Diff(left, x.by), right)), Mul((left, Diff(right, x.by)))))

    def quotient_rule(self, x, _scope):
        if not isinstance(x.body, Div):
            return x
        over, under = x.body.over, x.body.under
        above = Add((Mul((Diff(over, x.by), under)), negative(Mul((over, Diff(under, x.by))))))
        return Div(above, Pow(under, 2))

    def split_quotient(self, x, _scope):
        if not isinstance(x.over, Add):
            return x
        return Add(tuple(Div(term, x.under) for term in x.over.terms))

    def as_power(self, x, _scope):
        return Mul((x.over, Pow(x.under, -1)))

    def into_sum(self, x, _scope):
        if not isinstance(x.over, Sum):
            return x
        return Sum(x.over.index, Div(x.over.body, x.under), x.over.skip)

    def expanded(self, x, scope):
        by = self.divisor(scope)
        return Div(Mul((by, x.over)), Mul((x.under, by)))

    def split_exponential(self, x, _scope):
        if not isinstance(x.of, Add):
            return x
        return Mul(tuple(Exp(term) for term in x.of.terms))

    def lemma(self, x, _scope):
        match x:
            case Diff(Sym("π", (i,)), Sym("θ", (k,))):
                moved = Add((Delta(i, k), negative(Sym("π", (k,)))))
                return Mul((Sym("π", (i,)), moved))
        return x

    def unpower(self, x, _scope):
        if x.exponent < 1:
            return x
        return Mul((x.base,) * x.exponent)

    def unfold(self, x, _scope):
        return _at(SOFT.body, "a", x.args[0])

    # Edits

    def edited(self, tree):
        return self.somewhere(tree, self.edit)

    def edit(self, x, scope):  # noqa: C901  one case a node
        other = self.random.choice(scope)
        match x:
            case Num(value):
                return Num(value + self.random.choice((1, -2)))
            case Sym(name, (index,)) if self.random.random() < 0.5:
                return Sym(name, (other if other != index else scope[0],))
            case Sym("π", args):
                return self.random.choice((Log(x), Pow(x, 2), ONE, Sym("Q", args)))
            case Sym(name, args):
                return self.random.choice((ONE, negative(x), Mul((Num(Fraction(2)), x))))
            case Delta():
                return self.random.choice((ONE, Num(Fraction(0)), Delta(x.left, other)))
            case Add(terms):
                return self.random.choice((Add(terms[1:]), Add((*terms[:-1], negative(terms[-1])))))
            case Mul(factors):
                return Mul(factors[1:]) if len(factors) > 1 else negative(x)
            case Sum(index, body, skip):
                return Sum(index, body, () if skip else (other,))
            case Diff():
                return negative(x)
            case Div(over, under):
                return self.random.choice((over, Div(over, Mul((Num(Fraction(2)), under)))))
            case Exp(of):
                return self.random.choice((Exp(negative(of)), of))
            case Log(of):
                return of
            case Pow(base):
                return base
        return negative(x)


def _places(tree, scope, path=()):
    yield path, scope
    match tree:
        case Add(parts) | Mul(parts):
            for i, part in enumerate(parts):
                yield from _places(part, scope, (*path, i))
        case Div(over, under):
            yield from _places(over, scope, (*path, 0))
            yield from _places(under, scope, (*path, 1))
        case Pow(base):
            yield from _places(base, scope, (*path, 0))
        case Diff(body) | Exp(body):
            yield from _places(body, scope, (*path, 0))
        case Sum(index, body) | Expect(index, _, body):
            yield from _places(body, (*scope, index), (*path, 0))
        case Num() | Size() | Sym() | Delta() | Log():
            return
        case _:
            raise TypeError(f"_places of tests/derive/rewriting.py lacks {type(tree).__name__}")


def _replaced(tree, path, change):
    if not path:
        return change(tree)
    first, *rest = path
    match tree:
        case Add(parts):
            return Add(_with(parts, first, rest, change))
        case Mul(parts):
            return Mul(_with(parts, first, rest, change))
        case Div(over, under):
            over, under = _with((over, under), first, rest, change)
            return Div(over, under)
        case Pow(base, exponent):
            return Pow(_replaced(base, rest, change), exponent)
        case Diff(body, by):
            return Diff(_replaced(body, rest, change), by)
        case Exp(of):
            return Exp(_replaced(of, rest, change))
        case Sum(index, body, skip):
            return Sum(index, _replaced(body, rest, change), skip)
        case Expect(index, under, body):
            return Expect(index, under, _replaced(body, rest, change))
    raise TypeError(f"_replaced of tests/derive/rewriting.py lacks {type(tree).__name__}")


def _with(parts, place, rest, change):
    return tuple(_replaced(p, rest, change) if i == place else p for i, p in enumerate(parts))


def _at(tree, old, new):  # noqa: C901  one case a node
    """Rename an index; names are never reused, so nothing is captured."""

    def name(index):
        return new if index == old else index

    match tree:
        case Sym(symbol, args):
            return Sym(symbol, tuple(map(name, args)))
        case Delta(left, right):
            return Delta(name(left), name(right))
        case Add(parts):
            return Add(tuple(_at(part, old, new) for part in parts))
        case Mul(parts):
            return Mul(tuple(_at(part, old, new) for part in parts))
        case Div(over, under):
            return Div(_at(over, old, new), _at(under, old, new))
        case Pow(base, exponent):
            return Pow(_at(base, old, new), exponent)
        case Exp(of):
            return Exp(_at(of, old, new))
        case Log(of):
            return Log(_at(of, old, new))
        case Diff(body, by):
            return Diff(_at(body, old, new), _at(by, old, new))
        case Sum(index, body, skip):
            return Sum(index, _at(body, old, new), tuple(map(name, skip)))
        case Expect(index, under, body):
            return Expect(index, under, _at(body, old, new))
        case Num() | Size():
            return tree
    raise TypeError(f"_at of tests/derive/rewriting.py lacks {type(tree).__name__}")


def makers():
    """Draw sources of random formulas."""
    return st.integers(0, 2**32 - 1).map(Maker)
