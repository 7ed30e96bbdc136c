"""Formulas evaluated in PyTorch, action by action, by nothing of softcheck's but their trees.

The value of any part can be changed, as by somebody's code that detaches it or leaves it out.
"""

import torch

from softcheck.derive.expr import (
    Add,
    Compare,
    Delta,
    Div,
    Exp,
    Log,
    Mul,
    Num,
    Pow,
    Size,
    Sum,
    Sym,
)


def parts_of(x):
    """Return the parts of a formula; a part of them has the path of their places."""
    match x:
        case Add(parts) | Mul(parts):
            return parts
        case Div(left, right) | Compare(_, left, right):
            return left, right
        case Pow(of, _) | Exp(of) | Log(of) | Sum(_, of, _):
            return (of,)
    return ()


def compared(x):
    """Return what makes a minimum or maximum of the values of its sides."""
    return {"min": torch.minimum, "max": torch.maximum}[x.how]


def walked(x, path=()):
    """Yield every part of a formula with its path, as they are read."""
    yield path, x
    for place, part in enumerate(parts_of(x)):
        yield from walked(part, (*path, place))


def is_occurrence(x, policy):
    of = x.of if isinstance(x, Log) else x
    return isinstance(of, Sym) and of.name == policy


def occurrences(x, policy):
    """Return the path of each pi and log pi with its part, as they are read."""
    found = {path: part for path, part in walked(x) if is_occurrence(part, policy)}
    return {path: part for path, part in found.items() if path[:-1] not in found}


class InTorch:
    """Formulas of one state, or of all states at once.

    `logits` and tables are of shape (actions, ...) and the rest of (...); an index is a number, or
    one a state. `changed` says by path what becomes of the value of a part; of a comparison, what
    is made of the values of its sides.
    """

    def __init__(
        self, logits, arrays, indices, policy="π", name="θ", tau=None, changed=None,
        log_softmax=torch.log_softmax,
    ):  # fmt: skip
        self.logits, self.arrays, self.indices = logits, arrays, indices
        self.policy, self.name = policy, name
        self.log_pi = log_softmax(logits if tau is None else logits / tau, 0)
        self.changed = changed or {}

    def __call__(self, x):
        return self._of(x, dict(self.indices), ())

    def _number(self, value):
        return torch.tensor(float(value), dtype=self.logits.dtype)

    def _of(self, x, env, path):
        change = self.changed.get(path)
        if isinstance(x, Compare):
            sides = (self._of(p, env, (*path, k)) for k, p in enumerate(parts_of(x)))
            return (change or compared(x))(*torch.broadcast_tensors(*sides))
        value = self._usual(x, env, path)
        return value if change is None else change(value)

    def _usual(self, x, env, path):  # noqa: C901  one case a node
        if is_occurrence(x, self.policy):
            of = x.of if isinstance(x, Log) else x
            value = _entry(self.log_pi, env[of.args[0]])
            return value if isinstance(x, Log) else value.exp()
        parts = [lambda env=env, p=p, k=k: self._of(p, env, (*path, k))
                 for k, p in enumerate(parts_of(x))]  # fmt: skip
        match x:
            case Num(value):
                return self._number(value)
            case Size():
                return self._number(len(self.logits))
            case Sym(name, args):
                table = self.logits if name == self.name else self.arrays[name]
                return _entry(table, env[args[0]]) if args else table
            case Delta(left, right):
                return torch.as_tensor(env[left] == env[right]).to(self.logits.dtype)
            case Add():
                return sum(part() for part in parts)
            case Mul():
                total = parts[0]()
                for part in parts[1:]:
                    total = total * part()
                return total
            case Div():
                return parts[0]() / parts[1]()
            case Pow(_, exponent):
                return parts[0]() ** exponent
            case Exp():
                return parts[0]().exp()
            case Log():
                return parts[0]().log()
            case Sum(index, _, skip):
                out = {env[other] for other in skip}
                actions = (a for a in range(len(self.logits)) if a not in out)
                return sum(parts[0]({**env, index: a}) for a in actions)
        raise TypeError(x)


def _entry(table, action):
    return table.gather(0, action[None])[0] if isinstance(action, torch.Tensor) else table[action]
