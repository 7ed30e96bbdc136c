"""Every shipped loss: its document is proved, its data is what the document says, its gradient is
that of PyTorch."""

from pathlib import Path

import numpy as np
import pytest
import torch
from programs_of_losses import evaluate, family_gradient, family_loss
from torch.nn import functional

from softcheck import shipped
from softcheck.derive.check import check
from softcheck.derive.expr import Diff
from softcheck.gradient.definition import Kind
from softcheck.losses import documents, load, names
from softcheck.losses.documents import FOLDER
from softcheck.result import Verdict

ACTIONS, ROWS = 7, 5
DATA = Path(shipped.__file__).parent


def _value(given, rng):
    match given.kind, given.legal:
        case Kind.INDEX, _:
            return rng.integers(ACTIONS, size=ROWS)
        case Kind.TABLE, "not negative":
            return rng.uniform(0, 1, (ACTIONS, ROWS))
        case Kind.TABLE, _:
            return rng.normal(size=(ACTIONS, ROWS)) * 2
        case Kind.STATE, _ if given.name.endswith("log_probs"):
            return rng.uniform(-4, 0, ROWS)
        case Kind.STATE, _:
            return rng.normal(size=ROWS)
        case _:
            return rng.uniform(0.2, 0.8, ROWS)


def _log_softmax(x):
    return torch.log_softmax(x, dim=0)


def _sac(log_pi, x):
    return -(log_pi.exp() * (x["q"] - x["alpha"] * log_pi)).sum(0)


def _policy_gradient(log_pi, x):
    return -(log_pi.exp() * x["q"]).sum(0)


def _entropy(log_pi, x):
    return x["coef"] * (log_pi.exp() * log_pi).sum(0)


def _reference(x):
    return x["ref_log_probs"] if "ref_log_probs" in x else _log_softmax(x["ref_logits"])


def _reverse_kl(log_pi, x):
    return x["beta"] * (log_pi.exp() * (log_pi - _reference(x))).sum(0)


def _kl_regularised(log_pi, x):
    divergence = (log_pi.exp() * (log_pi - _reference(x))).sum(0)
    entropy = -(log_pi.exp() * log_pi).sum(0)
    return -(log_pi.exp() * x["q"]).sum(0) + x["beta"] * divergence - x["alpha"] * entropy


def _cross_entropy(theta, x):
    smoothing = x["label_smoothing"]
    log_pi = _log_softmax(theta)
    hard = functional.nll_loss(log_pi.T, x["labels"], reduction="none") if "labels" in x else None
    fit = -(x["targets"] * log_pi).sum(0) if hard is None else hard
    z = torch.logsumexp(theta, dim=0)
    return (1 - smoothing) * fit - smoothing * log_pi.mean(0) + x["z_coef"] * z**2


def _teacher(x):
    given = x["teacher_logits"] if "teacher_logits" in x else x["teacher_log_probs"]
    # Without a temperature as they are, also where they add up to something else than 1.
    return _log_softmax(given / x["temperature"]) if "temperature" in x else given


def _distillation(theta, x):
    teacher, log_pi = _teacher(x), _log_softmax(theta / x.get("temperature", 1.0))
    forward = -(teacher.exp() * log_pi).sum(0)
    if "beta" not in x:
        return forward
    reverse = (log_pi.exp() * (log_pi - teacher)).sum(0)
    return (1 - x["beta"]) * forward + x["beta"] * reverse


def _reinforce(log_pi, x):
    taken = log_pi.gather(0, x["actions"][None])[0]
    return -x["advantages"] * taken + x["entropy_coef"] * (log_pi.exp() * log_pi).sum(0)


def _ppo_clip(log_pi, x):
    taken = log_pi.gather(0, x["actions"][None])[0]
    ratio, advantages = torch.exp(taken - x["old_log_probs"]), x["advantages"]
    clipped = torch.minimum(torch.maximum(ratio, 1 - x["clip"]), 1 + x["clip"])
    entropy = -(log_pi.exp() * log_pi).sum(0)
    return -torch.minimum(ratio * advantages, clipped * advantages) - x["entropy_coef"] * entropy


def _grpo(log_pi, x):
    apart = x["ref_log_probs"] - log_pi.gather(0, x["actions"][None])[0]
    return _ppo_clip(log_pi, x) + x["beta"] * (torch.exp(apart) - apart - 1)


def _of_log_policy(loss):
    return lambda theta, x: loss(_log_softmax(theta), x)


TORCH = {
    "sac": _of_log_policy(_sac),
    "policy-gradient": _of_log_policy(_policy_gradient),
    "entropy": _of_log_policy(_entropy),
    "reverse-kl": _of_log_policy(_reverse_kl),
    "kl-regularised": _of_log_policy(_kl_regularised),
    "cross-entropy": _cross_entropy,
    "distillation": _distillation,
    "reinforce": _of_log_policy(_reinforce),
    "ppo-clip": _of_log_policy(_ppo_clip),
    "grpo": _of_log_policy(_grpo),
}
CASES = {"ppo-clip", "grpo"}
"""Losses with a minimum: `derive` decides no claim of one, and no coefficient is known of it."""
VARIANTS = [
    pytest.param(name, number, id=f"{name}-{number}")
    for name in names()
    for number in range(len(load(name).variants))
]


def _case(name, number, seed=0):
    variant = load(name).variants[number]
    rng = np.random.default_rng([seed, number])
    arrays = {given.name: _value(given, rng) for given in variant.givens}
    theta = torch.tensor(rng.normal(size=(ACTIONS, ROWS)) * 3, requires_grad=True)
    value = TORCH[name](theta, {key: torch.tensor(x) for key, x in arrays.items()})
    value.sum().backward()
    divided = theta.detach().numpy()
    scale = 1.0
    if variant.temperature is not None:
        scale = arrays[variant.temperature]
        divided = divided / scale
    return variant, arrays, divided, scale, value.detach().numpy(), theta.grad.numpy()


def test_every_document_has_its_data_and_its_test():
    documents_there = {file.stem for file in FOLDER.glob("*.tex")}
    assert documents_there == {file.stem for file in DATA.glob("*.json")} == set(TORCH)
    assert documents_there == set(names())


@pytest.mark.parametrize("name", names())
def test_a_document_is_proved_as_it_stands(name):
    checked = check((FOLDER / f"{name}.tex").read_text(encoding="utf-8"), name=name)
    assert checked.status is Verdict.PROVED
    sides = [e.left.formula for e in checked.equalities]
    claimed = {side.body.name for side in sides if isinstance(side, Diff)}
    assert len(claimed) == (0 if name in CASES else len(load(name).variants))


@pytest.mark.parametrize("name", names())
def test_the_data_is_what_the_document_says_and_what_is_proved(name):
    made = documents.shipped(name).loss
    assert shipped.stored(name) == made
    assert (DATA / f"{name}.json").read_text(encoding="utf-8") == shipped.written(made)
    assert all(variant.proved for variant in made.variants)


@pytest.mark.parametrize(("name", "number"), VARIANTS)
def test_programs_agree_with_autograd(name, number):
    for seed in range(5):
        variant, arrays, divided, scale, value, gradient = _case(name, number, seed)
        np.testing.assert_allclose(evaluate(variant.value, divided, arrays), value, atol=1e-12)
        slope = evaluate(variant.slope, divided, arrays) / scale
        np.testing.assert_allclose(slope, gradient, atol=1e-13)


@pytest.mark.parametrize(("name", "number"), VARIANTS)
def test_coefficients_of_the_family_agree_with_autograd(name, number):
    variant, arrays, divided, scale, value, gradient = _case(name, number)
    made = family_gradient(variant.family, divided, arrays) / scale
    np.testing.assert_allclose(made, gradient, atol=1e-13)
    assert variant.family.are_held == (name in CASES)
    if name not in CASES:
        np.testing.assert_allclose(family_loss(variant.family, divided, arrays), value, atol=1e-12)


def _smooth(log_pi, x, fit):
    smoothing, z = x["label_smoothing"], x["z_coef"] * torch.logsumexp(x["theta"], 0) ** 2
    return [-(1 - smoothing) * fit, -smoothing * log_pi.mean(0), z]


def _summands(name, log_pi, x):
    """Return the terms of a loss, as people call them apart."""
    pi = log_pi.exp()
    entropy = (pi * log_pi).sum(0)
    chosen = {index: log_pi.gather(0, x[index][None])[0] for index in {"labels", "actions"} & {*x}}
    match name:
        case "sac":
            return [-(pi * x["q"]).sum(0), x["alpha"] * entropy]
        case "reverse-kl":
            return [x["beta"] * entropy, -x["beta"] * (pi * _reference(x)).sum(0)]
        case "kl-regularised":
            kl = x["beta"] * (pi * (log_pi - _reference(x))).sum(0)
            return [-(pi * x["q"]).sum(0), kl, x["alpha"] * entropy]
        case "cross-entropy":
            fit = chosen["labels"] if "labels" in x else (x["targets"] * log_pi).sum(0)
            return _smooth(log_pi, x, fit)
        case "distillation" if "beta" in x:
            teacher = _teacher(x)
            kl = x["beta"] * (pi * (log_pi - teacher)).sum(0)
            return [-(1 - x["beta"]) * (teacher.exp() * log_pi).sum(0), kl]
        case "reinforce":
            return [-x["advantages"] * chosen["actions"], x["entropy_coef"] * entropy]
        case "ppo-clip" | "grpo":
            without = x | {"entropy_coef": 0.0, "beta": 0.0}
            found = [_ppo_clip(log_pi, without), x["entropy_coef"] * entropy]
            if name == "grpo":
                found.insert(
                    1, _grpo(log_pi, without | {"beta": x["beta"], "advantages": 0 * pi[0]})
                )
            return found
    return []


@pytest.mark.parametrize(("name", "number"), VARIANTS)
def test_the_terms_of_a_loss_are_those_that_people_call_so(name, number):
    variant, arrays, divided, *_ = _case(name, number)
    theta = torch.tensor(divided, requires_grad=True)
    x = {key: torch.tensor(array) for key, array in arrays.items()} | {"theta": theta}
    terms = _summands(name, _log_softmax(theta), x)
    assert len(variant.summands) == len(terms)
    for summand, term in zip(variant.summands, terms, strict=True):
        (expected,) = torch.autograd.grad(term.sum(), theta, retain_graph=True)
        plain = evaluate if variant.family is None else family_gradient
        np.testing.assert_allclose(plain(summand.part, divided, arrays), expected, atol=1e-13)


@pytest.mark.parametrize(("name", "number"), VARIANTS)
def test_a_masked_action_is_no_action(name, number):
    variant, arrays, divided, *_ = _case(name, number)
    at = {given.name: given.kind for given in variant.givens}
    if Kind.INDEX in at.values():
        arrays |= {
            key: arrays[key] % (ACTIONS - 1) for key, kind in at.items() if kind is Kind.INDEX
        }
    legal = np.ones((ACTIONS, ROWS), dtype=bool)
    legal[-1] = False
    short = {key: x[:-1] if x.ndim == 2 else x for key, x in arrays.items()}
    blank = {key: np.where(legal, x, 0.0) if x.ndim == 2 else x for key, x in arrays.items()}
    for program in (variant.value, variant.slope):
        whole = evaluate(program, divided, blank, legal)
        part = evaluate(program, divided[:-1], short)
        np.testing.assert_allclose(whole[:-1] if program.by_action else whole, part, atol=1e-13)


PPO = dict.fromkeys(("actions", "advantages", "old_log_probs", "clip")) | {"entropy_coef": 0}


def test_the_names_that_people_use():
    said = {
        name: [{g.name: None if g.default is None else float(g.default) for g in v.givens}
               for v in load(name).variants]
        for name in names()
    }  # fmt: skip
    assert said == {
        "sac": [{"q": None, "alpha": None}],
        "policy-gradient": [{"q": None}],
        "entropy": [{"coef": None}],
        "reverse-kl": [{"ref_log_probs": None, "beta": None}, {"ref_logits": None, "beta": None}],
        "kl-regularised": [
            {"q": None, "ref_log_probs": None, "beta": None, "alpha": 0},
            {"q": None, "ref_logits": None, "beta": None, "alpha": 0},
        ],
        "cross-entropy": [
            {"labels": None, "label_smoothing": 0, "z_coef": 0},
            {"targets": None, "label_smoothing": 0, "z_coef": 0},
        ],
        "distillation": [
            {"teacher_logits": None, "temperature": 1},
            {"teacher_log_probs": None},
            {"teacher_log_probs": None, "temperature": None},
            {"teacher_logits": None, "temperature": 1, "beta": None},
            {"teacher_log_probs": None, "beta": None},
            {"teacher_log_probs": None, "temperature": None, "beta": None},
        ],
        "reinforce": [{"actions": None, "advantages": None, "entropy_coef": 0}],
        "ppo-clip": [PPO],
        "grpo": [PPO | {"ref_log_probs": None, "beta": None}],
    }


@pytest.mark.parametrize("name", names())
def test_the_arrays_of_a_case_tell_its_variant(name):
    every = [
        (
            {given.name for given in variant.givens if given.default is None},
            {given.name for given in variant.givens},
        )
        for variant in load(name).variants
    ]
    for needed, known in every:
        for extra in ([], *[[name] for name in known - needed], known - needed):
            case = needed | {*extra}
            assert [k for n, k in every if n <= case <= k] == [known]


def test_minus_infinity_is_legal_where_a_loss_takes_the_exponential_alone():
    legal = {
        given.legal
        for variant in load("distillation").variants[:3]
        for given in variant.givens
        if given.kind is Kind.TABLE
    }
    both = {
        given.legal
        for variant in load("distillation").variants[3:]
        for given in variant.givens
        if given.kind is Kind.TABLE
    }
    assert (legal, both) == ({"finite or -inf"}, {"finite"})


def test_sac_has_plain_coefficients():
    (variant,) = load("sac").variants
    assert variant.equation == "Eq. (6)"
    assert variant.family.q.names == {"q"}
    assert variant.family.alpha.names == {"alpha"}
    assert len(variant.family.q.operations) == len(variant.family.alpha.operations) == 1
    assert variant.family.rest is variant.family.zeta is variant.family.target is None


if __name__ == "__main__":
    for name in names():
        made = documents.shipped(name).loss
        (DATA / f"{name}.json").write_text(shipped.written(made), encoding="utf-8")
