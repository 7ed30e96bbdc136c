"""What is known of a role: its names, its legal numbers, and what they are given under."""

import math
from collections import Counter
from dataclasses import replace

import losses_by_hand as losses
import numpy as np
import pytest

from softcheck.gradient.definition import Given, Kind
from softcheck.shipped import stored
from softcheck.tables.roles import ROLES, Roles, is_critic, is_q

NUMBERS = (0.0, 1.0, 0.5, 5e-324, 1e308, -0.0, -5e-324, -1.0, math.inf, -math.inf, math.nan)
FINITE = {0.0, 1.0, 0.5, 5e-324, 1e308, -5e-324, -1.0}
LEGAL = {
    "q": FINITE,
    "logits": FINITE | {-math.inf},
    "alpha": {0.0, 1.0, 0.5, 5e-324, 1e308},
    "mask": {0.0, 1.0},
    "weights": FINITE,
}
"""What a loss can be made of, whatever the code says."""

SAC = stored("sac")


def test_every_given_has_its_legal_numbers_here():
    givens = {name for name, role in ROLES.items() if role.check is None}
    assert givens == LEGAL.keys(), "write down in LEGAL what the new given may hold"


@pytest.mark.parametrize("name", LEGAL)
def test_a_domain_includes_what_is_legal_and_nothing_else(name):
    includes = ROLES[name].domain.includes
    expected = [number in LEGAL[name] for number in NUMBERS]
    assert [bool(includes(number)) for number in NUMBERS] == expected
    assert includes(np.array([NUMBERS])).tolist() == [expected], "of an array, entry by entry"


def test_a_critic_is_q_but_for_its_names():
    assert (ROLES.critic(2).name, ROLES.critic(2).names) == ("q2", ("q2",))
    assert ROLES.critic(2).domain == ROLES["q"].domain
    assert [ROLES[name].kind for name in ("q", "q1", "q99", "alpha")] == [
        *[Kind.TABLE] * 3,
        Kind.NUMBER,
    ]
    with pytest.raises(KeyError):
        ROLES["q0"]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("q1", "q1"),
        ("qf2", "q2"),
        ("q_values", "q"),
        ("theta", "logits"),
        ("log_alpha", "alpha"),
        ("loss", "loss"),
        ("q0", None),
        ("q100", None),
        ("Logits", None),
        ("", None),
        (None, None),
    ],
)
def test_a_file_means_a_role_by_a_name(name, meant):
    role = ROLES.of(name)
    assert (role.name if role else None) == meant


def test_a_name_of_the_users_own_replaces_all_the_usual_ones_of_its_role():
    names = {"q1": "critic_a", "grad": "actor_grad"}
    assert ROLES.of("critic_a", names).name == "q1"
    assert ROLES.of("actor_grad", names).name == "grad"
    assert [ROLES.of(name, names) for name in ("q", "q1", "qf2", "min_q", "dlogits")] == [None] * 5
    assert ROLES.of("theta", names).name == "logits"


def test_no_name_stands_for_two_roles():
    counts = Counter(name for role in ROLES.values() for name in role.names)
    twice = {name for name, count in counts.items() if count > 1}
    assert not twice, f"{twice} stand for two roles: a file could mean either"
    assert not {name for name in counts if is_critic(name)}, "critics have names of their own"


def test_no_check_is_that_of_two_roles():
    checks = [role.check for role in ROLES.values() if role.check]
    assert len(set(checks)) == len(checks)


def test_what_is_q():
    assert [name for name in ("q", "q1", "q12", *ROLES) if is_q(name)] == ["q", "q1", "q12", "q"]
    assert [name for name in ("q", "q1", "q12", *ROLES) if is_critic(name)] == ["q1", "q12"]


def test_under_which_role_a_name_is_given():
    names = ("q7", "qf1", "Q", "log_alpha", "ent_coef", "loss", "weigths")
    assert list(map(ROLES.family, names)) == ["q", "q", "q", "alpha", "alpha", "loss", "weigths"]


def test_only_alpha_has_a_logarithm():
    assert ROLES.is_logarithm("log_alpha", "alpha")
    assert ROLES.is_logarithm("log_temp", "alpha", {"log_alpha": "log_temp"})
    assert not ROLES.is_logarithm("log_alpha", "alpha", {"alpha": "log_alpha"})
    assert not ROLES.is_logarithm("log_alpha", "weights")
    assert not any(ROLES.is_logarithm(None, role) for role in ROLES)


@pytest.mark.parametrize(
    ("name", "meant"),
    [("gradd", "grad"), ("weigths", "weights"), ("LOGITS", "logits"), ("x", None)],
)
def test_what_a_name_was_likely_meant_for(name, meant):
    assert ROLES.likely(name, ROLES) == meant
    assert ROLES.likely(name, [role for role in ROLES if role != meant]) != meant or meant is None


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        *((name, "grad") for name in ("grads", "gra", "grda", "Grad", "gradients", "gradiant")),
        *((name, "grad") for name in ("dlogit", "d_logits", "logit_grad", "logits.grad")),
        *((name, "logits") for name in ("logit", "LOGITS", "lgoits", "policy_logit")),
        *((name, "q") for name in ("q_value", "qvalues", "Q_Values")),
        *((name, "mask") for name in ("maks", "action_masks", "action-mask", "legal_action")),
        *((name, "alpha") for name in ("alhpa", "log-alpha", "temprature")),
        ("weigths", "weights"),
        ("valeu", "value"),
        ("advantege", "advantage"),
        ("log-policy", "log_policy"),
    ],
)
def test_whose_name_a_slip_of_the_pen_is(name, meant):
    assert ROLES.slip_of(name, ROLES) == meant
    assert ROLES.slip_of(name, [role for role in ROLES if role != meant]) is None


OTHERS = """
    rewards reward obs observations next_obs states actions action act dones terminals truncations
    returns q_target target_q q_targets q_next td_error td_errors next_values values advantages
    advantages_gae log_prob log_probs logprobs probs pi old_logits ref_logits actor_loss q_loss
    LossQ LossPi loss1 losses alpha_loss entropy_loss entropy_coef target_entropy masks loss_mask
    loss_values
    attention_mask pad_mask is_weights weight priorities grad_norm grad_q gradient_q q_grad dq
    step seed gamma tau lr info G V A grid gray graph task tasks mass max bias beta tea bool boss
    heights qvalue policies policy_old policy_id value_old value1 entropies
"""


@pytest.mark.parametrize("name", OTHERS.split())
def test_what_else_people_dump_is_no_slip_of_the_pen(name):
    assert ROLES.slip_of(name, ROLES) is None


def test_no_name_of_a_role_is_a_slip_for_another():
    for role in ROLES.values():
        others = [other for other in ROLES if other != role.name]
        assert [name for name in role.names if ROLES.slip_of(name, others)] == []


def test_a_name_of_a_given_is_no_alias_of_another_role():
    alpha = Given("α", "alpha", Kind.NUMBER)
    theta = Given("θ", "theta", Kind.TABLE)
    roles = Roles(losses.loss("own", (alpha, losses.TAU, theta)))
    assert [roles.of(name).name for name in ("alpha", "temperature", "theta", "policy_logits")] == [
        "alpha", "temperature", "theta", "logits"
    ]  # fmt: skip
    assert roles.of("log_alpha").name == "alpha"


def test_a_symbol_in_capitals_may_be_dumped_in_small_letters():
    big, small = Given("R", "R", Kind.TABLE), Given("r", "r", Kind.STATE)
    assert Roles(losses.loss("own", (big,))).of("r").name == "R"
    assert Roles(losses.loss("own", (big, small))).of("r").name == "r"


@pytest.mark.parametrize("loss", losses.EVERY, ids=lambda loss: loss.name)
def test_no_name_stands_for_two_roles_of_a_loss(loss):
    roles = Roles(loss)
    counts = Counter(name for role in roles.values() for name in role.names)
    assert [name for name, count in counts.items() if count > 1] == []
    for role in roles.values():
        others = [other for other in roles if other != role.name]
        assert [name for name in role.names if roles.slip_of(name, others)] == []
    assert [role.name for role in roles.values() if role.required] == (
        [given.name for given in loss.variants[0].givens if given.name == "q"]
        + ["logits"]
        + [
            given.name
            for given in loss.variants[0].givens
            if given.name != "q"
            and given.default is None
            and all(given in each.givens for each in loss.variants)
        ]
    )


def test_only_the_loss_of_eq_6_has_critics_g_and_a_value():
    (soft,) = SAC.variants
    of_own = replace(SAC, name="own", variants=(replace(soft, formula="L"),))
    divided = replace(SAC, variants=(replace(soft, temperature="τ"),))
    assert [Roles(loss).has_critics for loss in (SAC, of_own, divided)] == [True, True, False]
    for loss in (divided, *losses.EVERY[1:]):
        assert not {"q1", "g", "value", "advantage"} & {
            name for name in ("q1", *Roles(loss)) if name in Roles(loss)
        }
