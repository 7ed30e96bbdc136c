"""Formulas evaluated in PyTorch, action by action, by nothing of softcheck's but their trees.

An occurrence of the policy can be detached, as a stop-gradient in somebody's code.
"""

import torch

from softcheck.derive.expr import Add, Delta, Div, Exp, Log, Mul, Num, Pow, Size, Sum, Sym


class InTorch:
    """Formulas of one state; `detached` says which occurrence has no gradient."""

    def __init__(self, logits, arrays, indices, policy="π", name="θ", tau=None, detached=None):
        self.logits, self.arrays, self.indices = logits, arrays, indices
        self.policy, self.name = policy, name
        self.log_pi = torch.log_softmax(logits if tau is None else logits / tau, 0)
        self.detached = detached
        self.seen = {}

    def __call__(self, x):
        self.seen = {}
        self._number(x, ())
        return self._of(x, dict(self.indices), ())

    def _is_occurrence(self, x):
        of = x.of if isinstance(x, Log) else x
        return isinstance(of, Sym) and of.name == self.policy

    def _number(self, x, path):
        """Number the occurrences as they are read."""
        if self._is_occurrence(x):
            self.seen[path] = len(self.seen)
            return
        for place, part in enumerate(_parts(x)):
            self._number(part, (*path, place))

    @property
    def count(self):
        return len(self.seen)

    def _of(self, x, env, path):  # noqa: C901  one case a node
        if self._is_occurrence(x):
            of = x.of if isinstance(x, Log) else x
            value = self.log_pi[env[of.args[0]]]
            value = value if isinstance(x, Log) else value.exp()
            return value.detach() if self.seen[path] == self.detached else value
        parts = [lambda env=env, p=p, k=k: self._of(p, env, (*path, k))
                 for k, p in enumerate(_parts(x))]  # fmt: skip
        match x:
            case Num(value):
                return torch.tensor(float(value), dtype=torch.float64)
            case Size():
                return torch.tensor(float(len(self.logits)), dtype=torch.float64)
            case Sym(name, args):
                table = self.logits if name == self.name else self.arrays[name]
                return table[env[args[0]]] if args else table
            case Delta(left, right):
                return torch.tensor(float(env[left] == env[right]), dtype=torch.float64)
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


def _parts(x):
    match x:
        case Add(parts) | Mul(parts):
            return parts
        case Div(over, under):
            return over, under
        case Pow(base, _):
            return (base,)
        case Exp(of) | Log(of):
            return (of,)
        case Sum(_, body, _):
            return (body,)
    return ()
