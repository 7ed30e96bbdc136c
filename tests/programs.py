"""Losses that no closed form covers, each written once for any arithmetic.

A loss is a function of a namespace with pi, log_pi, s (the logsumexp), table, state, indicator,
sum, at, exp and log, and so is W = dL/dlog pi of it, worked out by hand. `Builder` makes programs
of them, `Torch` tensors, and `Digits` numbers of 160 digits.
"""

from dataclasses import dataclass
from fractions import Fraction
from functools import cache

import mpmath
import numpy as np

from softcheck.gradient.composed.evaluate import Running, softmax_of
from softcheck.gradient.definition import Operation, Program
from softcheck.gradient.policy import Block, Buffers, evaluate
from softcheck.gradient.tolerance import U

MP = mpmath.mp.clone()
MP.dps = 160


class Builder:
    """Formulas to operations."""

    def __init__(self):
        self.operations = []

    def make(self, operator, *operands, of=None, by_action=None):
        if by_action is None:
            by_action = any(self.operations[n].by_action for n in operands)
        self.operations.append(Operation(operator, operands, of, by_action))
        return Node(self, len(self.operations) - 1)

    def number(self, value):
        return value if isinstance(value, Node) else self.make("number", of=Fraction(value))

    pi = property(lambda self: self.make("policy", by_action=True))
    log_pi = property(lambda self: self.make("log_policy", by_action=True))
    s = property(lambda self: self.make("logsumexp", by_action=False))
    size = property(lambda self: self.make("size", by_action=False))

    def table(self, name):
        return self.make("given", of=name, by_action=True)

    def state(self, name):
        return self.make("given", of=name, by_action=False)

    def indicator(self, name):
        return self.make("indicator", of=name, by_action=True)

    def sum(self, x):
        return self.make("sum", x.number, by_action=False)

    def at(self, x, name):
        return self.make("at", x.number, of=name, by_action=False)

    def logsumexp(self, x):
        return self.make("logsumexp", x.number, by_action=False)

    def exp(self, x):
        return self.make("exp", x.number)

    def log(self, x):
        return self.make("log", x.number)


class Node:
    def __init__(self, builder, number):
        self.builder, self.number = builder, number

    def _with(self, operator, *sides):
        return self.builder.make(operator, *(self.builder.number(x).number for x in sides))

    def __add__(self, other):
        return self._with("add", self, other)

    def __mul__(self, other):
        return self._with("multiply", self, other)

    def __truediv__(self, other):
        return self._with("divide", self, other)

    def __rtruediv__(self, other):
        return self._with("divide", other, self)

    def __neg__(self):
        return self * -1

    def __sub__(self, other):
        return self + (-other)

    def __rsub__(self, other):
        return other + (-self)

    def __pow__(self, exponent):
        return self.builder.make("power", self.number, of=exponent)

    __radd__, __rmul__ = __add__, __mul__


class Torch:
    """The same formulas on tensors of (actions, rows)."""

    def __init__(self, theta, data):
        import torch

        self.theta, self.data = theta, data
        self.pi, self.log_pi = torch.softmax(theta, 0), torch.log_softmax(theta, 0)
        self.s = torch.logsumexp(theta, 0)
        self.size = float(len(theta))
        self.exp, self.log = torch.exp, torch.log

    def table(self, name):
        return self.data[name].to(self.theta)

    state = table

    def indicator(self, name):
        import torch

        return (torch.arange(len(self.theta))[:, None] == self.data[name]).to(self.theta)

    def sum(self, x):
        return x.sum(0) if x.dim() > 1 else x * self.size

    def logsumexp(self, x):
        return x.logsumexp(0)

    def at(self, x, name):
        return x.gather(0, self.data[name][None, :])[0]


class Digits:
    """The same formulas on one state, in 160 digits; only its legal actions are there."""

    def __init__(self, theta, data):
        self.data, self.size = data, len(theta)
        w = [MP.exp(x) for x in theta]
        self.pi = Each(x / sum(w) for x in w)
        self.s = MP.log(sum(w))
        self.log_pi = Each(x - self.s for x in theta)

    def table(self, name):
        return self.data[name]

    state = table

    def indicator(self, name):
        return Each(MP.mpf(n == self.data[name]) for n in range(self.size))

    def sum(self, x):
        return sum(x.each) if isinstance(x, Each) else x * self.size

    def at(self, x, name):
        return x.each[self.data[name]]

    def logsumexp(self, x):
        return MP.log(sum(map(MP.exp, x.each)))

    def exp(self, x):
        return Each(map(MP.exp, x.each)) if isinstance(x, Each) else MP.exp(x)

    def log(self, x):
        return Each(map(MP.log, x.each)) if isinstance(x, Each) else MP.log(x)


class Each:
    """One number for each action."""

    def __init__(self, each):
        self.each = list(each)

    def _with(self, other, does):
        others = other.each if isinstance(other, Each) else [other] * len(self.each)
        return Each(does(x, y) for x, y in zip(self.each, others, strict=True))

    def __add__(self, other):
        return self._with(other, lambda x, y: x + y)

    def __mul__(self, other):
        return self._with(other, lambda x, y: x * y)

    def __truediv__(self, other):
        return self._with(other, lambda x, y: x / y)

    def __rtruediv__(self, other):
        return self._with(other, lambda x, y: y / x)

    def __neg__(self):
        return self * -1

    def __sub__(self, other):
        return self + (-1 * other)

    def __rsub__(self, other):
        return -self + other

    def __pow__(self, exponent):
        return Each(x**exponent for x in self.each)

    __radd__, __rmul__ = __add__, __mul__


@dataclass(frozen=True)
class Example:
    """A loss, W of it, and kappa = dL/ds where that is not 0."""

    value: object
    weight: object
    kappa: object = None

    def programs(self):
        return self.program(self.value), self.program(self.slope)

    @staticmethod
    def program(formula):
        builder = Builder()
        formula(builder)
        return Program(tuple(builder.operations))

    def slope(self, m):
        W = self.weight(m)
        slope = W - m.pi * m.sum(W)
        return slope if self.kappa is None else slope + self.kappa(m) * m.pi


def log_ratio(m):
    return m.table("rho") - m.log_pi


def k3_weight(m):
    return -m.pi * log_ratio(m)


def focal_weight(m):
    p, log_p = m.at(m.pi, "j"), m.at(m.log_pi, "j")
    return m.indicator("j") * (2 * (1 - p) * p * log_p - (1 - p) ** 2)


def renyi_terms(m):
    order = m.state("order")
    return m.exp(order * m.log_pi + (1 - order) * m.table("rho"))


def renyi(m):
    return m.log(m.sum(renyi_terms(m))) / (m.state("order") - 1)


def renyi_weight(m):
    order, terms = m.state("order"), renyi_terms(m)
    return terms * (order / (order - 1) / m.sum(terms))


def advantage(m):
    q = m.table("q")
    return q - m.sum(m.pi * q)


def inverses(m):
    return m.exp(m.table("rho") * 0.25) / (m.pi * m.sum(m.pi**2))


def mixture(m):
    return (m.pi + m.exp(m.table("rho"))) * 0.5


def teacher(m):
    return m.exp(m.table("teacher") - m.logsumexp(m.table("teacher")))


EXAMPLES = {
    "distillation": Example(
        lambda m: -m.sum(teacher(m) * m.log_pi),
        lambda m: -teacher(m),
    ),
    "logsumexp-of-a-power": Example(
        lambda m: m.logsumexp(m.table("q") + 2 * m.log_pi),
        lambda m: 2 * m.exp(m.table("q") + 2 * m.log_pi - m.logsumexp(m.table("q") + 2 * m.log_pi)),
    ),
    "k2": Example(
        lambda m: m.sum(m.pi * log_ratio(m) ** 2) * 0.5,
        lambda m: m.pi * (log_ratio(m) ** 2 * 0.5 - log_ratio(m)),
    ),
    "k3": Example(
        lambda m: m.sum(m.pi * (m.exp(log_ratio(m)) - 1 - log_ratio(m))),
        k3_weight,
    ),
    "k3-as-a-quotient": Example(
        lambda m: m.sum(m.pi * (m.exp(m.table("rho")) / m.pi - 1 - log_ratio(m))),
        k3_weight,
    ),
    "k3-of-one-action": Example(
        lambda m: m.at(m.exp(m.table("rho")) / m.pi, "j") - m.at(log_ratio(m), "j"),
        lambda m: m.indicator("j") * (1 - m.at(m.exp(m.table("rho")) / m.pi, "j")),
    ),
    "focal": Example(
        lambda m: -((1 - m.at(m.pi, "j")) ** 2) * m.at(m.log_pi, "j"),
        focal_weight,
    ),
    "tsallis": Example(
        lambda m: (1 - m.sum(m.pi**3)) * 0.5,
        lambda m: m.pi**3 * -1.5,
    ),
    "tsallis-of-a-fraction": Example(
        lambda m: m.sum(m.exp(m.log_pi * 1.5)) * -2,
        lambda m: m.exp(m.log_pi * 1.5) * -3,
    ),
    "renyi": Example(renyi, renyi_weight),
    "entropy-penalty": Example(
        lambda m: m.sum(m.pi * m.log_pi) ** 2,
        lambda m: m.sum(m.pi * m.log_pi) * 2 * m.pi * (m.log_pi + 1),
    ),
    "reverse-kl": Example(
        lambda m: -m.sum(m.pi * log_ratio(m)),
        lambda m: m.pi * (1 - log_ratio(m)),
    ),
    "forward-kl": Example(
        lambda m: m.sum(m.exp(m.table("rho")) * log_ratio(m)),
        lambda m: -m.exp(m.table("rho")),
    ),
    "variance": Example(
        lambda m: m.sum(m.pi * advantage(m) ** 2),
        lambda m: m.pi * advantage(m) ** 2,
    ),
    "poly-1": Example(
        lambda m: -m.at(m.log_pi, "j") + m.state("c") * (1 - m.at(m.pi, "j")),
        lambda m: -m.indicator("j") * (1 + m.state("c") * m.at(m.pi, "j")),
    ),
    "z-loss": Example(
        lambda m: m.state("c") * m.s**2 - m.at(m.log_pi, "j"),
        lambda m: -m.indicator("j"),
        kappa=lambda m: m.state("c") * m.s * 2,
    ),
    "a-mean-of-logits": Example(
        lambda m: m.sum(m.table("q") * (m.log_pi + m.s)) / m.size,
        lambda m: m.table("q") / m.size,
        kappa=lambda m: m.sum(m.table("q")) / m.size,
    ),
    "a-sum-of-one-number": Example(
        lambda m: m.sum(m.sum(m.pi**2) ** 2),
        lambda m: m.pi**2 * m.sum(m.sum(m.pi**2)) * 4,
    ),
    "smoothed": Example(
        lambda m: -m.state("c") * m.sum(m.log_pi),
        lambda m: 0.0 * m.pi - m.state("c"),
    ),
    "inverse-products": Example(
        lambda m: m.sum(inverses(m)),
        lambda m: -inverses(m) - m.sum(inverses(m)) * 2 * m.pi**2 / m.sum(m.pi**2),
    ),
    "half-of-jensen-shannon": Example(
        lambda m: m.sum(m.pi * (m.log_pi - m.log(mixture(m)))),
        lambda m: m.pi * (m.log_pi - m.log(mixture(m)) + 1 - m.pi / (2 * mixture(m))),
    ),
    "unlikelihood": Example(
        lambda m: -m.sum(m.exp(m.table("rho")) * m.log(2 - m.pi)),
        lambda m: m.exp(m.table("rho")) * m.pi / (2 - m.pi),
    ),
    "an-odds": Example(
        lambda m: m.sum(m.table("q") / (1 + m.pi)),
        lambda m: -m.table("q") * m.pi / (1 + m.pi) ** 2,
    ),
    "an-exponential": Example(
        lambda m: m.sum(m.exp(m.table("rho") * m.pi)),
        lambda m: m.table("rho") * m.pi * m.exp(m.table("rho") * m.pi),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Sample:
    """Some states: logits of (actions, rows), -inf where masked, and arrays by name."""

    logits: np.ndarray
    data: dict

    @property
    def legal(self):
        return np.isfinite(self.logits)

    def columns(self, rows):
        data = {name: x[..., rows] for name, x in self.data.items()}
        return Sample(self.logits[:, rows], data)


def ordinary(actions, rows, seed=0, scale=1.0):
    """Make states as training has them."""
    generator = np.random.default_rng(seed)
    rho = generator.normal(size=(actions, rows)) * scale
    rho -= np.log(np.exp(rho).sum(axis=0))
    j = generator.integers(actions, size=rows)
    teacher = np.where((rho < -3.0) & (np.arange(actions)[:, None] != j), -np.inf, rho + 3.0)
    return Sample(
        generator.normal(size=(actions, rows)) * scale,
        {
            "q": generator.normal(size=(actions, rows)),
            "rho": rho,
            "teacher": teacher,
            "order": generator.uniform(0.2, 0.8, rows),
            "c": generator.uniform(0.1, 2.0, rows),
            "j": j,
        },
    )


def adversarial(actions, rows, seed=0):
    """Make saturated, far, equal and masked states."""
    generator = np.random.default_rng(seed)
    made = ordinary(actions, rows, seed)
    logits = made.logits * 10.0 ** generator.uniform(-3, 1.5, rows)
    logits[0] += generator.choice([0.0, 0.0, 8.0, 40.0], rows)
    logits[:, ::7] = logits[:1, ::7]
    logits += generator.choice([0.0, -30.0, 1e3, -1e6], rows)
    masked = generator.random((actions, rows)) < generator.choice([0.0, 0.0, 0.3, 0.8], rows)
    masked[made.data["j"], np.arange(rows)] = False
    data = made.data | {
        "q": made.data["q"] * 10.0 ** generator.uniform(-3, 5, rows)
        + generator.choice([0.0, 1e6], rows),
        "rho": made.data["rho"] * 10.0 ** generator.uniform(-2, 1, rows),
    }
    data["teacher"] = data["teacher"] + 800.0
    tables = ("q", "rho", "teacher")
    data |= {name: np.where(masked, 0.0, data[name]) for name in tables}
    return Sample(np.where(masked, -np.inf, logits), data)


def exact_state(sample, row):
    """Return the legal actions of a state, their logits and its data, in 160 digits."""
    legal = np.flatnonzero(sample.legal[:, row])

    def given(name):
        column = sample.data[name][..., row]
        if name == "j":
            return int(np.searchsorted(legal, column))
        if column.ndim:
            return Each(map(MP.mpf, column[legal].tolist()))
        return MP.mpf(float(column))

    theta = list(map(MP.mpf, sample.logits[legal, row].tolist()))
    return legal, theta, {name: given(name) for name in sample.data}


STEP = MP.mpf(10) ** -40


def true_value(example, sample, row):
    _, theta, data = exact_state(sample, row)
    return example.value(Digits(theta, data))


@cache
def known(name, make):
    """Return 30 states with the true value and gradient of a loss."""
    example, sample = EXAMPLES[name], make(rows=30, seed=5, actions=6)
    value = [true_value(example, sample, row) for row in range(30)]
    gradient = [true_gradient(example, sample, row) for row in range(30)]
    return sample, np.array(value), np.array(gradient).T


def moved_value(example, sample, row, step):
    """Return the true loss of a state after a step of all of its logits."""
    legal, theta, data = exact_state(sample, row)
    steps = map(MP.mpf, step[legal, row].tolist())
    return example.value(Digits([x + t for x, t in zip(theta, steps, strict=True)], data))


def true_gradient(example, sample, row):
    """Return the central difference of a state's loss by each logit, 0 where masked."""
    legal, theta, data = exact_state(sample, row)
    gradient = [MP.mpf(0)] * len(sample.logits)
    for n, action in enumerate(legal):
        sides = []
        for sign in (1, -1):
            moved = [*theta[:n], theta[n] + sign * STEP, *theta[n + 1 :]]
            sides.append(example.value(Digits(moved, data)))
        gradient[action] = (sides[0] - sides[1]) / (2 * STEP)
    return gradient


def running(sample, *, far=False):
    """Return what evaluates programs on a sample."""
    buffers = Buffers()
    block = Block(np.zeros(sample.logits.shape), sample.logits, np.zeros(1))
    legal = None if sample.legal.all() else sample.legal
    softmax = softmax_of(block, evaluate(block, buffers), legal, buffers, far=far)
    return Running(sample.data, sample.logits.shape, buffers, legal, softmax)


def ratios(found, truth):
    """Return the errors of `Rounded` numbers in units of their bounds, 1 at most if they hold."""
    truth, made = np.asarray(truth, dtype=object), np.zeros(found.value.shape)
    for at, value in np.ndenumerate(found.value):
        off = float(abs(MP.mpf(float(value)) - truth[at]))
        made[at] = off and off / (U * found.error[at])
    return made


def random_loss(seed):
    """Return a loss of the fragment, drawn: sums within sums, quotients, logarithms, powers."""

    def loss(m):
        generator = np.random.default_rng(seed)

        def pick(*makers):
            return makers[generator.integers(len(makers))]()

        def number():
            return float(generator.integers(-8, 9)) / 4.0

        def of_state(depth):
            if depth <= 0:
                return pick(
                    lambda: m.state("c"), lambda: m.s * 0.25, lambda: m.at(m.log_pi, "j"),
                    lambda: m.sum(m.pi * m.table("q")), lambda: m.sum(m.pi * m.log_pi),
                )  # fmt: skip
            return pick(
                *bodies(of_state, depth),
                lambda: m.sum(m.pi * of_action(depth - 1)),
                lambda: m.sum(m.pi * of_action(depth - 1)),
                lambda: m.sum(of_action(depth - 1)),
                lambda: m.at(of_action(depth - 1), "j"),
            )

        def of_action(depth):
            if depth <= 0:
                return pick(
                    lambda: m.pi, lambda: m.log_pi, lambda: m.table("q"), lambda: m.table("rho"),
                    lambda: m.indicator("j"),
                )  # fmt: skip
            return pick(
                *bodies(of_action, depth),
                lambda: of_action(depth - 1) * of_state(depth - 2),
                lambda: of_action(depth - 1) - of_state(depth - 2),
                lambda: m.pi * of_action(depth - 1),
            )

        def bodies(of, depth):
            def tame():
                x = of(depth - 2)
                return x / (x**2 + 1)

            return (
                lambda: of(depth - 1) + of(depth - 2) * number(),
                lambda: of(depth - 1) * of(depth - 2),
                lambda: of(depth - 1) ** int(generator.integers(2, 4)),
                lambda: m.exp(tame()),
                lambda: m.log(of(depth - 2) ** 2 + 0.5),
                lambda: of(depth - 1) / (of(depth - 2) ** 2 + 1),
            )

        return m.sum(m.pi * of_action(3)) + of_state(3)

    return loss
