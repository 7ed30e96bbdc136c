"""Mistakes planted in any loss: its formula as a program of PyTorch, with one thing wrong.

What is planted is found on the formula by itself, without what softcheck knows of mistakes: parts
that the loss is linear in are left out, flipped and scaled, each pi and log pi is detached, a step
of the softmax's backward pass is left out. What no part of a formula tells is written by hand.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from formulas_in_torch import InTorch, compared, is_occurrence, occurrences, parts_of, walked
from programs_of_losses import evaluate

from softcheck.derive.expr import (
    Add,
    Compare,
    Div,
    Exp,
    Log,
    Mul,
    Num,
    Sum,
    Sym,
    free_indices,
)
from softcheck.gradient.definition import Kind
from softcheck.losses.cases import regrouped

MISSING = {"term-missing", "entropy-without-gradient", "detached-policy"}
SIGN = {"term-sign", "entropy-sign-flipped", "sign-flipped"}
WHOLE = {"sign-flipped", "mean-over-states-and-actions"}
"""Mistakes of the whole loss, which are scales of its gradient and are called so."""
SCALED = {"term-scaled", "missing-alpha", "mean-over-actions", *WHOLE}
TEMPERATURE = {"temperature-in-policy", "term-scaled"}


def _divided(logits, tau):
    return logits / tau


@dataclass(frozen=True)
class Mistake:
    """What is wrong with a program of a loss.

    Attributes
    ----------
    codes : set of str
        What that may be called.
    what : str
        For messages.
    changed : dict
        By path, as of `InTorch`.
    arrays : dict
        By name, what stands for arrays of the case.
    log_softmax : callable
        What the logarithms of the policy are made with.
    divided : callable
        What it is taken of, from logits and temperature.
    times : callable
        What the loss is multiplied by, from the temperature.
    by_hand : callable or None
        The program itself, of log pi and the arrays, the logits among them.
    beside : Mistake or None
        What is wrong with a second program, that is added.
    """

    codes: set
    what: str
    changed: dict = field(default_factory=dict)
    arrays: dict = field(default_factory=dict)
    log_softmax: Callable = torch.log_softmax
    divided: Callable = _divided
    times: Callable = lambda _: 1.0
    by_hand: Callable | None = None
    beside: "Mistake | None" = None


RIGHT = Mistake(set(), "nothing")


class Data:
    """A loss with ordinary numbers: the formula in PyTorch, and what softcheck is given.

    Coefficients are far from those at which two mistakes are the same. `epsilon` and `tau` are what
    a mistake adds to a policy and divides logits by.
    """

    def __init__(self, made, rng, dtype, rows, actions, epsilon=0.01, tau=0.7):
        self.epsilon, self.tau = epsilon, tau
        self.made, self.tree, self.dtype = made, regrouped(made.loss), dtype
        self.givens, self.policy = made.variant.givens, made.policy
        logits = rng.normal(size=(rows, actions)) * rng.uniform(1.0, 1.6)
        logits[::4, 0] += 10.0 if self.policy.temperature is None else 30.0  # nearly certain
        self.logits = torch.tensor(logits, dtype=dtype)
        self.indices = {g.symbol: g.name for g in self.givens if g.kind is Kind.INDEX}
        self.arrays = {}
        for given in self.givens:
            self.arrays[given.name] = self._drawn(given, rng)

    def _drawn(self, given, rng):
        rows, actions = self.logits.shape
        match given.kind:
            case Kind.INDEX:
                return torch.tensor(rng.integers(actions, size=rows))
            case Kind.TABLE:
                value = _table(given, rng, rows, actions)
            case Kind.STATE if given.name.endswith("log_probs"):  # of a policy nearby
                log_pi = torch.log_softmax(self.logits, -1)
                taken = log_pi.gather(-1, self.arrays["actions"][:, None])[:, 0]
                value = taken.numpy() + 0.3 * rng.normal(size=rows)
            case Kind.STATE:
                value = rng.normal(size=rows)
            case _:
                temperature = given.name == "temperature"
                value = rng.uniform(1.3, 3) if temperature else rng.uniform(0.05, 0.4)
        return torch.tensor(value, dtype=self.dtype)

    @property
    def given(self):
        """What softcheck is given, but for the gradient."""
        return {"logits": self.logits, **self.arrays}

    def gradient(self, mistake=RIGHT, dtype=None):
        """Return the gradient of the mean over states, of shape (rows, actions)."""
        leaf = self.logits.to(dtype or self.dtype, copy=True).requires_grad_()
        value = self.loss(leaf, mistake).mean()
        return torch.autograd.grad(value + 0.0 * leaf.sum(), leaf)[0]

    def loss(self, logits, mistake=RIGHT):
        """Return the loss of each state."""

        def given(arrays):
            whole = self.indices.values()
            return {name: x if name in whole else x.to(logits.dtype) for name, x in arrays.items()}

        x, tau = given({**self.arrays, **mistake.arrays}), 1.0
        if self.policy.temperature is not None:
            tau = given(self.arrays)[self.made.variant.temperature]
        divided = mistake.divided(logits, tau)
        if mistake.by_hand is not None:
            return mistake.by_hand(torch.log_softmax(divided, -1), {**x, "logits": logits})
        formula = InTorch(
            divided.T,
            {given.symbol: _actions_first(x[given.name]) for given in self.givens},
            {symbol: x[name] for symbol, name in self.indices.items()},
            self.policy.name, self.policy.logits, None, mistake.changed, mistake.log_softmax,
        )  # fmt: skip
        value = mistake.times(tau) * formula(self.tree)
        return value if mistake.beside is None else value + self.loss(logits, mistake.beside)

    def of(self, slope):
        """Return the gradient that a program of softcheck's says, in float64."""
        logits, tau = self.logits.double().numpy().T, 1.0
        if self.policy.temperature is not None:
            tau = self.arrays[self.made.variant.temperature].double().numpy()
        arrays = {name: _actions_first(x).numpy() for name, x in self.arrays.items()}
        return torch.tensor(evaluate(slope, logits / tau, arrays).T / tau / len(self.logits))

    def made_of(self, mistake, listed):
        """Return those of some mistakes of softcheck's whose programs are a mistake of ours."""
        ours = self.gradient(mistake, torch.float64)
        # A mistake that moves little is not any other that does.
        apart = 1e-3 * (ours - self.gradient(dtype=torch.float64)).abs().max()

        def same(slope):
            theirs = self.of(slope)
            return near(ours, theirs) and (ours - theirs).abs().max() <= apart

        every = (each for wrong in listed for each in (wrong, *wrong.others))
        return [each for each in every if same(each.slope)]


def near(x, y):
    return torch.allclose(x, y, rtol=1e-9, atol=1e-13)


def _actions_first(x):
    return x.T if x.ndim == 2 else x


def _table(given, rng, rows, actions):
    if given.legal == "not negative":
        return rng.dirichlet(np.ones(actions), size=rows)
    table = rng.normal(size=(rows, actions))
    if given.name.endswith("log_probs"):
        table -= np.log(np.exp(table).sum(axis=-1, keepdims=True))
    return table


def planted(data):
    """Yield the mistakes of a loss."""
    yield from _of_terms(data)
    yield from _of_options(data)
    yield from _stopped(data)
    yield from _of_comparisons(data)
    yield from _of_policy(data)
    yield from _of_backward(data)
    yield from _of_other_policies(data)
    yield from _of_logarithms(data)
    if data.policy.temperature is not None:
        yield from _of_temperature(data.made.variant.temperature)
    for codes, what, program in BY_HAND.get(tuple(sorted(data.arrays)), ()):
        yield Mistake({codes}, what, by_hand=program)


def everything(wrong):
    """Return a mistake of softcheck's, and those that it says are the same."""
    return (wrong, *wrong.also)


def is_named(case, mistake, made_of):
    """Tell whether a case is said to be what is planted: first, or as one of several.

    `made_of` is what softcheck has for it, if it has.
    """
    codes, words = set(), []
    for one in case.diagnosis:
        others = one.evidence.get("alternatives", ())
        codes |= {one.code, *(other["code"] for other in others)}
        words += [one.message, *one.evidence.get("also", ()), *(other["said"] for other in others)]
    if not made_of or codes & WHOLE & mistake.codes:
        return bool(codes & mistake.codes)
    return any(each.said in text for each in everything(made_of[0]) for text in words)


# Parts that a loss is linear in


def _times(factor):
    return lambda value: factor * value


def _moves(x, policy):
    names = {part.name for _, part in walked(x) if isinstance(part, Sym)}
    return bool(names & {policy.name, policy.logits})


def _is_coefficient(x, data):
    return not _moves(x, data.policy) and free_indices(x) <= free_indices(data.tree)


def _linear(x, data, path=(), *, is_term=True):
    """Yield path and part of what a loss is linear in, and whether it is a term."""
    yield path, x, is_term
    for place, part in enumerate(parts_of(x)):
        match x:
            case Add() | Sum():
                inside = True
            case Mul():
                inside = not _is_coefficient(part, data)
            case Div():
                inside = place == 0
            case _:
                inside = False
        if inside:
            yield from _linear(part, data, (*path, place), is_term=isinstance(x, Add))


def _of_terms(data):
    for path, part, is_term in _linear(data.tree, data):
        scales = (2.0, 0.5, 1 / data.logits.shape[1])
        factors = ((0.0, MISSING), (-1.0, SIGN), *((scale, SCALED) for scale in scales))
        for factor, codes in factors if is_term else ():
            yield Mistake(codes, f"{factor} times {path}", {path: _times(factor)})
        for there, factor in _coefficients(part, path, data):
            if not isinstance(factor, Num):
                yield Mistake(SCALED, f"{there} left out", {there: torch.ones_like})
                yield Mistake(SCALED, f"{there} twice", {there: torch.square})
            elif abs(factor.value) != 1:
                yield Mistake(SCALED, f"{there} left out", {there: torch.sign})


def _coefficients(x, path, data):
    """Yield path and part of each factor that depends neither on an action nor on the policy."""
    match x:
        case Mul(factors):
            for place, factor in enumerate(factors):
                if _is_coefficient(factor, data):
                    yield from _factors(factor, (*path, place))
        case Div(_, under) if _is_coefficient(under, data):
            yield from _factors(under, (*path, 1))


def _factors(x, path):
    if any(isinstance(part, Sum) for _, part in walked(x)):
        return
    if isinstance(x, Mul | Div):
        for place, part in enumerate(parts_of(x)):
            yield from _factors(part, (*path, place))
    else:
        yield path, x


def _of_options(data):
    """Yield what comes of a number that is not used."""
    for given in data.givens:
        if given.kind in (Kind.STATE, Kind.NUMBER) and given.name != "temperature":
            zero = torch.zeros_like(data.arrays[given.name])
            yield Mistake(MISSING, f"{given.name} is 0", arrays={given.name: zero})


# What depends on the logits


def _stopped(data):
    places = dict(_held(data.tree, data.policy))
    for path, part in places.items():
        held = _detached(part) if isinstance(part, Compare) else torch.detach
        yield Mistake({"stop-gradient"}, f"{path} detached", {path: held})
    everywhere = occurrences(data.tree, data.policy.name).items()
    for kind in (Sym, Log):
        paths = [path for path, part in everywhere if isinstance(part, kind)]
        held = dict.fromkeys(paths, torch.detach)
        yield Mistake({"stop-gradient"}, f"each {kind.__name__} detached", held)


def _detached(x):
    return lambda *sides: compared(x)(*sides).detach()


def _held(x, policy, path=()):
    """Yield path and part of what a stop-gradient can be on."""
    match x:
        case Compare():
            whole = _moves(x, policy)
        case Log(Sum(_, Exp(Sym(name)), ())) | Sym(name):
            whole = name in (policy.name, policy.logits)
        case _:
            whole = is_occurrence(x, policy.name)
    if whole:
        yield path, x
        return
    for place, part in enumerate(parts_of(x)):
        yield from _held(part, policy, (*path, place))


def _of_policy(data):
    name = data.policy.name
    for path, part in _held(data.tree, data.policy):
        if is_occurrence(part, name) and isinstance(part, Log):
            codes = {"policy-for-log-policy"}
            yield Mistake(codes, f"no logarithm at {path}", {path: torch.exp})
    for path, part in walked(data.tree):
        if isinstance(part, Sum):
            inside = parts_of(part.body) if isinstance(part.body, Mul) else ()
            for place, factor in enumerate(inside):
                if factor == Sym(name, (part.index,)):
                    there = {(*path, 0, place): torch.ones_like}
                    yield Mistake({"unweighted-sum"}, f"no policy at {path}", there)


# Minima and maxima, the sides of which are given to what is changed


def _of_comparisons(data):
    for path, part in walked(data.tree):
        if not isinstance(part, Compare):
            continue
        other = Compare("max" if part.how == "min" else "min", part.left, part.right)
        yield Mistake({"clip-side"}, f"the other of {path}", {path: compared(other)})
        for place, side in enumerate(parts_of(part)):
            if _moves(side, data.policy):
                alone = {path: lambda *sides, place=place: sides[place]}
                yield Mistake({"clip-missing"}, f"side {place} of {path} alone", alone)
                continue
            for there, inner in walked(side, (*path, place)):
                if isinstance(inner, Sym):
                    yield Mistake({"clip-side"}, f"the sign of {there}", {there: torch.neg})


# The softmax


def _backward(of):
    """Return a logarithm of a softmax whose backward pass is `of` the derivative by it and pi."""

    class Wrong(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            log_pi = torch.log_softmax(x, 0)
            ctx.save_for_backward(log_pi.exp())
            return log_pi

        @staticmethod
        def backward(ctx, derivative):
            return of(derivative, *ctx.saved_tensors)

    return lambda x, _: Wrong.apply(x)


def _harmless(data):
    """Yield the path of each pi and log pi that may be detached."""
    right = data.gradient(dtype=torch.float64)
    for path in occurrences(data.tree, data.policy.name):
        held = Mistake(set(), "", {path: torch.detach})
        if near(data.gradient(held, torch.float64), right):
            yield path


def _of_backward(data):
    harmless = dict.fromkeys(_harmless(data), torch.detach)
    for code, what, of in (
        ("no-baseline", "no sum", lambda derivative, _: derivative),
        ("diagonal-jacobian", "the diagonal", lambda derivative, pi: derivative * (1 - pi)),
    ):
        for changed in (harmless, {}):
            yield Mistake({code}, what, changed, log_softmax=_backward(of))


def _of_other_policies(data):
    """Yield a softmax of something else than the logits, everywhere, in the policy, in a term."""
    t = data.tau

    def twice(logits, tau):
        return torch.softmax(logits / tau, -1)

    def at_temperature(x, axis):
        return torch.log_softmax(x / t, axis)

    def of_softmax(x, axis):
        return torch.log_softmax(torch.softmax(x, axis), axis)

    places = range(len(data.tree.terms) if isinstance(data.tree, Add) else 0)
    found = [({"double-softmax"}, "a softmax of a softmax", twice, of_softmax)]
    if data.policy.temperature is None:
        codes = {"temperature-in-policy"}
        found.append((codes, f"logits / {t}", lambda logits, _: logits / t, at_temperature))
        undivided = {"divided": found[-1][2], "times": lambda _: t}
        yield Mistake(codes, f"logits / {t}, and the gradient not", **undivided)
    for codes, what, divided, log_softmax in found:
        yield Mistake(codes, what, divided=divided)
        yield Mistake(codes, f"{what}, in the policy", log_softmax=log_softmax)
        for place in places:
            others = {(other,): _times(0.0) for other in places if other != place}
            there = Mistake(set(), "", others, log_softmax=log_softmax)
            yield Mistake(codes, f"{what}, at {place}", {(place,): _times(0.0)}, beside=there)


def _of_logarithms(data):
    """Yield what comes of a policy that is changed before its logarithm, in all terms or one."""
    e = data.epsilon
    logs = [path for path, part in occurrences(data.tree, data.policy.name).items()
            if isinstance(part, Log)]  # fmt: skip
    places = range(len(data.tree.terms) if isinstance(data.tree, Add) else 0)
    for code, what, of in (
        ("log-epsilon", f"{e} is added", lambda log: (log.exp() + e).log()),
        ("clamped-policy", f"clamped at {e}", lambda log: log.exp().clamp(e).log()),
        ("clamped-policy", f"clamped at both {e}", lambda log: log.exp().clamp(e, 1 - e).log()),
    ):
        yield Mistake({code}, what, dict.fromkeys(logs, of))
        for place in places if code == "log-epsilon" else ():
            inside = [path for path in logs if path[0] == place]
            yield Mistake({code}, f"{what} at {place}", dict.fromkeys(inside, of))
    by_hand = [path for path in _harmless(data) if path in logs]
    changed = dict.fromkeys(by_hand, lambda log: (log.exp() + e).log().detach())
    yield Mistake({"log-epsilon"}, f"{e} is added by hand", changed)


def _of_temperature(name):
    one = {name: torch.ones(())}
    undivided = {"divided": lambda logits, _: logits}
    for what, more in (
        ("not in the gradient", {"times": lambda tau: tau}),
        ("squared in front", {"times": lambda tau: tau**2}),
        ("in the policy alone", {"arrays": one}),
        ("not in the policy", undivided),
        ("nowhere", {"arrays": one, **undivided}),
    ):
        yield Mistake(TEMPERATURE, f"the temperature {what}", **more)


# By hand, from log pi and the arrays of a case


def _taken(log, x):
    return log.gather(-1, x["actions"][:, None])[:, 0]


def _bonus(log, x):
    return x["entropy_coef"] * (log.exp() * log).sum(-1)


def _surrogate(log, x, sign=1.0):
    ratio = (sign * (_taken(log, x) - x["old_log_probs"])).exp()
    clipped = ratio.clamp(1 - float(x["clip"]), 1 + float(x["clip"]))
    return -torch.min(ratio * x["advantages"], clipped * x["advantages"]) + _bonus(log, x)


def _apart(log, x):
    return _taken(log, x) - x["ref_log_probs"]


def _k3(log, x):
    return (-_apart(log, x)).exp() + _apart(log, x) - 1


def _grpo(k, sign=1.0):
    return lambda log, x: _surrogate(log, x, sign) + x["beta"] * k(log, x)


def _divergence(log, other):
    """Return that of the policy whose logarithms come first from the other."""
    return (log.exp() * (log - other)).sum(-1)


def _reference(x):
    log = x["ref_log_probs"] if "ref_log_probs" in x else torch.log_softmax(x["ref_logits"], -1)
    return log.detach()


def _of_expected(log, x):
    value = (log.exp() * (x["q"] - x["alpha"] * log)).sum(-1)
    return x["beta"] * _divergence(_reference(x), log) - value


def _teacher(x):
    if "temperature" not in x:
        return x["teacher_log_probs"]
    given = x["teacher_logits"] if "teacher_logits" in x else x["teacher_log_probs"]
    return torch.log_softmax(given / x["temperature"], -1)


def _of_targets(log, x):
    y, even = x["targets"], x["label_smoothing"]
    z_loss = x["z_coef"] * torch.logsumexp(x["logits"], -1) ** 2
    return (1 - even) * _divergence(log, y.log()) - even * log.mean(-1) + z_loss


_CODE = "forward-kl"
_PPO = ("actions", "advantages", "clip", "entropy_coef", "old_log_probs")
_OF_PPO = [("ratio-inverted", "inverted", lambda log, x: _surrogate(log, x, -1.0))]
_OF_GRPO = [
    ("ratio-inverted", "inverted", _grpo(_k3, -1.0)),
    ("other-estimate", "k1", _grpo(_apart)),
    ("other-estimate", "k2", _grpo(lambda log, x: _apart(log, x) ** 2 / 2)),
    (_CODE, "swapped", _grpo(lambda log, x: _apart(log, x).exp() - _apart(log, x) - 1)),
]
_OF_REFERENCE = [
    (_CODE, "swapped", lambda log, x: x["beta"] * _divergence(_reference(x), log)),
]
_OF_TARGETS = [(_CODE, "swapped", _of_targets)]
_OF_VALUE = [(_CODE, "swapped", _of_expected)]
_OF_TEACHER = [
    (_CODE, "swapped", lambda log, x: _divergence(log, _teacher(x))),
    (_CODE, "both ways alike", lambda log, x: _divergence(_teacher(x), log)),
]

BY_HAND = {
    tuple(sorted(arrays)): programs
    for arrays, programs in (
        (_PPO, _OF_PPO),
        ((*_PPO, "ref_log_probs", "beta"), _OF_GRPO),
        (("label_smoothing", "targets", "z_coef"), _OF_TARGETS),
        (("beta", "ref_log_probs"), _OF_REFERENCE),
        (("beta", "ref_logits"), _OF_REFERENCE),
        (("alpha", "beta", "q", "ref_log_probs"), _OF_VALUE),
        (("alpha", "beta", "q", "ref_logits"), _OF_VALUE),
        *(
            ((given, *more), _OF_TEACHER if "beta" in more else _OF_TEACHER[:1])
            for given, others in (
                ("teacher_logits", [("temperature",), ("temperature", "beta")]),
                ("teacher_log_probs", [(), ("beta",), ("temperature",), ("temperature", "beta")]),
            )
            for more in others
        ),
    )
}  # fmt: skip
