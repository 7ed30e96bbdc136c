"""Random losses of the fragment: a formula and the function of PyTorch that says the same."""

import numpy as np
import torch

TABLES = {"Q": "q", r"\rho": "rho"}
SCALARS = {r"\alpha": "alpha", r"\beta": "beta"}


class Generator:
    """Draws formulas as pairs of LaTeX and a function of (log pi, theta, arrays, index)."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)

    def pick(self, *makers):
        return makers[self.rng.integers(len(makers))]()

    # One number an action; `at` is its index.

    def entry(self, at, depth):
        return self.pick(
            *[lambda: self._leaf(at)] * 3, *[lambda: self._node(at, depth)] * (depth > 0)
        )

    def _leaf(self, at):
        def of(latex, function):
            return latex, lambda x: function(x) if at != "j" else x.taken(function(x))

        power = int(self.rng.integers(2, 4))
        return self.pick(
            lambda: of(rf"\pi({at})", lambda x: x.log_pi.exp()),
            lambda: of(rf"\log \pi({at})", lambda x: x.log_pi),
            lambda: of(rf"\pi({at})^{power}", lambda x: x.log_pi.exp() ** power),
            lambda: of(rf"Q({at})", lambda x: x.given["q"]),
            lambda: of(rf"\log \rho({at})", lambda x: x.given["rho"].log()),
            lambda: of(rf"\rho({at})", lambda x: x.given["rho"]),
        )

    def _node(self, at, depth):
        left, right = self.entry(at, depth - 1), self.entry(at, depth - 1)
        number = self.number()
        return self.pick(
            lambda: _join(left, "+", right),
            lambda: _join(left, "-", right),
            lambda: _times(left, right),
            lambda: _times(number, left),
            lambda: (rf"\left({left[0]}\right)^2", lambda x: left[1](x) ** 2),
        )

    def number(self):
        def given(symbol):
            return symbol, lambda x: x.given[SCALARS[symbol]]

        value = int(self.rng.integers(2, 5))
        return self.pick(
            lambda: given(r"\alpha"),
            lambda: given(r"\beta"),
            lambda: (str(value), lambda x: float(value)),
            lambda: (rf"\frac{{1}}{{{value}}}", lambda x: 1 / value),
        )

    # One number a state

    def state(self, depth):
        return self.pick(
            *[self._sum] * 4,
            lambda: self.entry("j", 1),
            self._of_logits,
            *[lambda: self._compound(depth)] * (3 * (depth > 0)),
        )

    def _sum(self):
        latex, value = self.entry("a", 2)
        weighted = self.rng.random() < 0.7
        if weighted:
            latex, value = _times((r"\pi(a)", lambda x: x.log_pi.exp()), (latex, value))
        return rf"\sum_a \left({latex}\right)", lambda x: (value(x) + x.zeros).sum(0)

    def _of_logits(self):
        return self.pick(
            lambda: (
                r"\left(\log \sum_b \exp(\theta_b)\right)^2",
                lambda x: torch.logsumexp(x.theta, 0) ** 2,
            ),
            lambda: (
                r"\left(\log \sum_b \exp(\theta_b) - \theta_j\right)",
                lambda x: torch.logsumexp(x.theta, 0) - x.taken(x.theta),
            ),
            lambda: (r"\log \sum_a \pi(a)^2", lambda x: torch.logsumexp(2 * x.log_pi, 0)),
            lambda: (
                r"\log \sum_a \pi(a) \rho(a)",
                lambda x: torch.logsumexp(x.log_pi + x.given["rho"].log(), 0),
            ),
        )

    def _compound(self, depth):
        left, right = self.state(depth - 1), self.state(depth - 1)
        return self.pick(
            lambda: _join(left, "+", right),
            lambda: _join(left, "-", right),
            lambda: _times(left, right),
            lambda: _times(self.number(), left),
            lambda: (
                rf"\frac{{{left[0]}}}{{\sum_b \pi(b)^2}}",
                lambda x: left[1](x) / (x.log_pi.exp() ** 2).sum(0),
            ),
        )


def _join(left, sign, right):
    def value(x):
        a, b = left[1](x), right[1](x)
        return a + b if sign == "+" else a - b

    return rf"\left({left[0]} {sign} {right[0]}\right)", value


def _times(left, right):
    latex = rf"\left({left[0]}\right) \cdot \left({right[0]}\right)"
    return latex, lambda x: left[1](x) * right[1](x)


class Point:
    """Logits and arrays at which a formula has a value."""

    def __init__(self, seed, actions=5, rows=4):
        rng = np.random.default_rng(seed)
        self.theta = torch.tensor(rng.normal(size=(actions, rows)), requires_grad=True)
        self.log_pi = torch.log_softmax(self.theta, 0)
        self.zeros = torch.zeros((actions, rows))
        self.arrays = {
            "q": rng.normal(size=(actions, rows)),
            "rho": rng.uniform(0.1, 1, (actions, rows)),
            "alpha": rng.uniform(0.1, 1, rows),
            "beta": rng.uniform(0.1, 1, rows),
            "j": rng.integers(actions, size=rows),
        }
        self.given = {name: torch.tensor(x) for name, x in self.arrays.items()}

    def taken(self, table):
        return table.gather(0, self.given["j"][None])[0]
