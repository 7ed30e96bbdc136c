"""Losses as data, written by hand: what tests of tables need of them is the arrays they have."""

from fractions import Fraction

from softcheck.errors import UsageError
from softcheck.gradient.definition import Given, Kind, Loss, Operation, Program, Variant
from softcheck.shipped import DEFAULT, stored

NOTHING = Program((Operation("number", of=Fraction(0)),))


def variant(*givens):
    return Variant(givens, "L", "G", "L", "G", True, NOTHING, NOTHING, None)


def loss(name, *variants):
    return Loss(name, "", tuple(variant(*givens) for givens in variants))


LABELS = Given("j", "labels", Kind.INDEX)
TARGETS = Given("y", "targets", Kind.TABLE, legal="not negative")
SMOOTHING = Given("s", "label_smoothing", Kind.NUMBER, "not negative", default=Fraction(0))
BETA = Given("β", "beta", Kind.NUMBER, legal="positive")
REF = Given("ρ", "ref_log_probs", Kind.TABLE, legal="finite or -inf")
REF_LOGITS = Given("ρ", "ref_logits", Kind.TABLE, legal="finite or -inf")
TEACHER = Given("T", "teacher_logits", Kind.TABLE)
TAU = Given("τ", "temperature", Kind.NUMBER, legal="positive", default=Fraction(1))

CROSS_ENTROPY = loss("cross-entropy", (LABELS, SMOOTHING), (TARGETS, SMOOTHING))
REVERSE_KL = loss("reverse-kl", (REF, BETA), (REF_LOGITS, BETA))
DISTILLATION = loss("distillation", (TEACHER, TAU), (TEACHER, TAU, BETA))
POLICY_GRADIENT = loss("policy-gradient", (Given("Q", "q", Kind.TABLE),))
REINFORCE = loss(
    "reinforce", (Given("j", "actions", Kind.INDEX), Given("A", "advantages", Kind.STATE))
)
OWN = loss(
    "-\\sum_a \\rho(a) \\log \\pi(a)", (Given("ρ", "rho", Kind.TABLE), Given("c", "c", Kind.STATE))
)

EVERY = (stored(DEFAULT), CROSS_ENTROPY, REVERSE_KL, DISTILLATION, POLICY_GRADIENT, REINFORCE, OWN)


def load(text):
    """Return one of these by its name; it opens no file."""
    for each in EVERY:
        if each.name == text:
            return each
    raise UsageError("--loss", f"'{text}'", "a loss", "Correct the name.")
