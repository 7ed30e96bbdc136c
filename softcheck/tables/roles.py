"""The roles that arrays can play, and the names that people give them."""

import enum
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from softcheck.errors import nearest


class Kind(enum.Enum):
    """How an array relates to the table of states and actions; the value says it in words."""

    TABLE = "one number for each state and action"
    STATE = "one number for each state"
    NUMBER = "one number, or one for each state"


@dataclass(frozen=True)
class Role:
    """What an array means to the checks.

    Parameters
    ----------
    name : str
        The name in reports, and the first name it goes by in files.
    kind : Kind
        Its shape.
    about : str
        What it is, a phrase for the documentation.
    aliases : tuple of str
        Other names of the same thing.
    """

    name: str
    kind: Kind
    about: str
    aliases: tuple[str, ...] = ()


_EVERY = (
    Role(
        "q",
        Kind.TABLE,
        "the action values Q(s, a); twin critics are q1, q2, ...",
        ("q_values", "Q", "qf", "min_q"),
    ),
    Role(
        "logits",
        Kind.TABLE,
        "the logits of the policy; -inf masks an action",
        ("theta", "policy_logits", "action_logits"),
    ),
    Role(
        "grad",
        Kind.TABLE,
        "the gradient under test, of the loss with respect to the logits",
        ("gradient", "logits_grad", "grad_logits", "dlogits"),
    ),
    Role(
        "alpha",
        Kind.NUMBER,
        "the temperature; under the name log_alpha, its logarithm",
        ("temperature", "ent_coef", "log_alpha"),
    ),
    Role("mask", Kind.TABLE, "true where the action is legal", ("action_mask", "legal_actions")),
    Role("weights", Kind.STATE, "the weight of each state in the loss"),
    Role("loss", Kind.NUMBER, "the loss, reduced or for each state"),
    Role("policy", Kind.TABLE, "the probabilities pi(a)"),
    Role("log_policy", Kind.TABLE, "the logarithms of the probabilities"),
    Role("value", Kind.STATE, "the soft state value V"),
    Role("advantage", Kind.TABLE, "the soft advantage g(a) - V"),
    Role("entropy", Kind.STATE, "the entropy of the policy"),
    Role("g", Kind.TABLE, "Q(a) - alpha log pi(a)"),
)

ROLES: Mapping[str, Role] = MappingProxyType({role.name: role for role in _EVERY})
"""Every role by its name, in the order of reports."""

LOGARITHMS = frozenset({"log_alpha"})
"""The names that hold the logarithm of their role."""

_BY_NAME = {name: role for role in _EVERY for name in (role.name, *role.aliases)}
_CRITIC = re.compile(r"qf?([1-9][0-9]?)")


def role_of(name: str | None, names: Mapping[str, str] = MappingProxyType({})) -> Role | None:
    """Return the role that a file means by `name`, or None for a name without one.

    Parameters
    ----------
    name : str or None
    names : mapping of str to str
        The user's own name for some roles, by role; it replaces all the usual ones of that role.
    """
    if name is None:
        return None
    for meant, own in names.items():
        if own == name:
            return role_of(meant)
    role = critic(int(match[1])) if (match := _CRITIC.fullmatch(name)) else _BY_NAME.get(name)
    if role is not None and names and family(role.name) in map(family, names):
        return None
    return role


def is_logarithm(name: str | None, names: Mapping[str, str] = MappingProxyType({})) -> bool:
    """Return whether a file holds the logarithm of a role under `name`; see `role_of`."""
    meant = next((role for role, own in names.items() if own == name), name)
    return meant in LOGARITHMS


def likely(name: str, roles: Iterable[str]) -> str | None:
    """Return the one of some roles that a name without a role was probably meant for."""
    known = {alias: role for role in roles for alias in (role, *ROLES[role].aliases)}
    near = nearest(name, known, cutoff=0.75)
    return None if near is None else known[near]


def critic(number: int) -> Role:
    """Return the role of one of several critics, counted from 1."""
    return Role(f"q{number}", Kind.TABLE, f"the action values of critic {number}")


def is_critic(role: str) -> bool:
    """Return whether the role is one of several critics: q1, q2, ..."""
    return _CRITIC.fullmatch(role) is not None


def family(name: str) -> str:
    """Return under which role a name is given: every critic as q, log_alpha as alpha."""
    role = role_of(name)
    if role is None:
        return name
    return "q" if is_critic(role.name) else role.name


def kind_of(role: str) -> Kind:
    """Return the kind of a role by its name."""
    return Kind.TABLE if is_critic(role) else ROLES[role].kind
