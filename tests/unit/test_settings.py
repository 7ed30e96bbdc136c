"""A setting is declared once, and whatever has to repeat one agrees with its declaration."""

import ast
from dataclasses import fields
from pathlib import Path
from typing import get_type_hints

import pytest

import softcheck
from softcheck.api import verify
from softcheck.settings import Choices, Settings, settings_of

PACKAGE = Path(softcheck.__file__).parent
SETTINGS = settings_of(Settings)
CASE = {"q": ([[1.0, 2.0]], [[3.0, 1.0]]), "logits": [[0.0, 1.0]], "alpha": 0.25}


def test_the_library_takes_every_setting_of_a_verification():
    offered, declared = get_type_hints(Choices), get_type_hints(Settings)
    for name in SETTINGS:
        assert name in offered, (
            f"softcheck.settings.Choices lacks {name}: declare it there too, or nobody who checks "
            "types can tell softcheck.verify"
        )
    for name, kind in offered.items():
        assert name in SETTINGS, f"softcheck.settings.Choices has {name}, which is no setting"
        assert kind == declared[name], (
            f"softcheck.settings.Choices says of {name} that it is {kind}, "
            f"Settings that it is {declared[name]}"
        )


def test_each_field_is_offered_to_people_or_named_here():
    hidden = {field.name for field in fields(Settings)} - SETTINGS.keys()
    assert hidden == {"block_entries"}, f"{hidden}: a setting has an Option beside its type"


def test_each_setting_of_a_verification_is_used():
    read = {
        node.attr
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute)
    }
    unused = {field.name for field in fields(Settings)} - read
    assert not unused, f"{unused}: a setting that nothing in softcheck/ reads changes nothing"


def test_a_report_shows_what_its_verdict_depends_on_in_the_order_of_version_1():
    (case,) = verify(**CASE, samples=3, strict=True).cases
    assert list(case.settings) == [
        "alpha", "critics", "action_axis", "reduction", "weights", "compute_dtype", "grad_dtype",
        "tolerance_factor", "samples", "seed", "strict", "require_gradient", "expect",
    ], "a setting under the heading Verdict is reported: write its name down here"  # fmt: skip
    shown = case.settings
    assert (shown["alpha"], shown["samples"], shown["strict"]) == (0.25, 3, True)
    assert (shown["action_axis"], shown["weights"]) == (1, False)


@pytest.mark.parametrize(
    ("name", "choice"),
    [(name, choice) for name, setting in SETTINGS.items() for choice in setting.choices],
)
def test_every_choice_that_is_offered_can_be_made(name, choice):
    grad = [[0.0, 0.0]]
    (case,) = verify(**CASE, weights=[1.0], grad=grad, **{name: choice}).cases
    if SETTINGS[name].option.reported:
        assert case.settings[name] == choice
