"""Arrays given in Python: the names that functions take are those of roles."""

import inspect
import re

import pytest

import softcheck
from softcheck.api import Options
from softcheck.settings import Choices
from softcheck.tables.roles import ROLES, Arrays

NAMES = {
    *ROLES,
    *(role.logarithm for role in ROLES.values() if role.logarithm),
    *("labels", "actions", "ignore_index", "targets", "advantages", "temperature"),
    *("ref_logits", "ref_log_probs", "teacher_logits", "teacher_log_probs"),
    *("beta", "coef", "entropy_coef", "label_smoothing", "z_coef", "loss_value", "arrays"),
    "dumped_by",
}


def described(owner):
    """Return the names under the heading `Attributes` of a docstring."""
    text = inspect.getdoc(owner).partition("Attributes\n")[2]
    lines = [line for line in text.splitlines() if line and line[0].isalpha()]
    return {name for line in lines for name in re.findall(r"\w+", line.partition(" : ")[0])}


@pytest.mark.parametrize(
    "function", [softcheck.verify, softcheck.assert_gradient, softcheck.save_case]
)
def test_every_role_can_be_given(function):
    own = {
        name
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY and name != "reduction"
    }
    taken = own | Arrays.__annotations__.keys()
    assert taken == NAMES, (
        f"{function.__name__} does not take {NAMES - taken} and takes {taken - NAMES}: the keys of "
        "softcheck.tables.roles.Arrays, with its own parameters, have to be the roles of roles.py"
    )
    assert not own & Arrays.__annotations__.keys()


def test_a_captured_step_can_be_given_what_it_does_not_record():
    recorded = {"q", "logits", "grad"}
    own = inspect.signature(softcheck.capture).parameters.keys() & NAMES
    assert recorded | own | Arrays.__annotations__.keys() == NAMES


def test_each_key_is_described():
    assert described(Arrays) == Arrays.__annotations__.keys()
    assert described(Options) == Options.__annotations__.keys() - {
        *Arrays.__annotations__,
        *Choices.__annotations__,
    }
