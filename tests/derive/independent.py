"""The value of a formula by other means than the tool's: high precision, difference quotients."""

import mpmath

from softcheck.derive import expr

DIGITS = 90
STEP = mpmath.mpf(10) ** -20


def value(tree, actions, tables, definitions, indices):
    """Evaluate a tree; `tables` maps a name and its actions to a number, actions from 0."""
    with mpmath.workdps(DIGITS):
        return _value(tree, actions, tables, definitions, indices)


def _value(x, n, tables, definitions, env):  # noqa: C901  one case a node
    def go(part, inner=env):
        return _value(part, n, tables, definitions, inner)

    def action(index):
        return env[index] if index in env else int(index) - 1

    match x:
        case expr.Num(number):
            return mpmath.mpf(number.numerator) / number.denominator
        case expr.Size():
            return mpmath.mpf(n)
        case expr.Sym(name, args):
            at = tuple(map(action, args))
            if name in definitions:
                inner = dict(zip(definitions[name].params, at, strict=True))
                return go(definitions[name].body, inner)
            return tables[name, at]
        case expr.Delta(left, right):
            return mpmath.mpf(action(left) == action(right))
        case expr.Add(terms):
            return mpmath.fsum(map(go, terms))
        case expr.Mul(factors):
            return mpmath.fprod(map(go, factors))
        case expr.Div(over, under):
            return go(over) / go(under)
        case expr.Pow(base, exponent):
            return go(base) ** exponent
        case expr.Exp(of):
            return mpmath.exp(go(of))
        case expr.Log(of):
            return mpmath.log(go(of))
        case expr.Sum(index, body, skip):
            out = set(map(action, skip))
            return mpmath.fsum(go(body, {**env, index: i}) for i in range(n) if i not in out)
        case expr.Expect(index, under, body):
            weighted = expr.Mul((expr.Sym(under, (index,)), body))
            return go(expr.Sum(index, weighted))
        case expr.Diff(body, by):
            key = by.name, tuple(map(action, by.args))

            def moved(t):
                return _value(body, n, {**tables, key: tables[key] + t}, definitions, env)

            return (moved(STEP) - moved(-STEP)) / (2 * STEP)
    raise TypeError(f"tests/derive/independent.py has no value of its own for {type(x).__name__}")


def at_point(tree, counterexample, definitions):
    """Evaluate a tree at a counterexample as the report gives it."""
    tables = {}
    for name, values in counterexample.values.items():
        if isinstance(values, list):
            size = len(values)
            if size == counterexample.actions:
                tables |= {(name, (i,)): mpmath.mpf(v) for i, v in enumerate(values)}
            else:
                assert size == counterexample.actions**2
                n = counterexample.actions
                tables |= {(name, divmod(i, n)): mpmath.mpf(v) for i, v in enumerate(values)}
        else:
            tables[name, ()] = mpmath.mpf(values)
    indices = {name: action - 1 for name, action in counterexample.indices.items()}
    return value(tree, counterexample.actions, tables, definitions, indices)


def assert_confirmed(checked, report):
    """Assert that every counterexample of a report is one, by other means."""
    for decision, step in zip(checked.decisions, report.steps, strict=True):
        found = step.counterexample
        if found is None:
            continue
        left, right = (
            at_point(line.tree, found, checked.context.definitions)
            for line in (decision.equality.left, decision.equality.right)
        )
        assert abs(left - right) > 1e-9
        assert mpmath.almosteq(left, found.left, rel_eps=1e-12, abs_eps=1e-12)
        assert mpmath.almosteq(right, found.right, rel_eps=1e-12, abs_eps=1e-12)
