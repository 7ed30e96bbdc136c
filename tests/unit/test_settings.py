"""A setting is declared once, and whatever has to repeat one agrees with its declaration."""

import inspect
from dataclasses import fields
from typing import get_args, get_type_hints

import pytest
from numpy.typing import ArrayLike

from softcheck.api import Options, verify
from softcheck.report import FORMATS
from softcheck.settings import OutputFormat, Settings, settings_of
from softcheck.tables.roles import Arrays

SETTINGS = settings_of(Settings)
CASE = {"q": ([[1.0, 2.0]], [[3.0, 1.0]]), "logits": [[0.0, 1.0]], "alpha": 0.25}


def test_the_library_takes_every_setting_of_a_verification():
    offered = get_type_hints(Options, localns={"ArrayLike": ArrayLike})
    declared = get_type_hints(Settings)
    for name in [*SETTINGS, "action_axis"]:
        assert name in offered, (
            f"softcheck.api.Options lacks {name}: declare it there too, or nobody who checks types "
            "can tell softcheck.verify"
        )
        said = inspect.getdoc(Options)
        assert name in said, f"the docstring of softcheck.api.Options lacks {name}"
    for name in offered.keys() - Arrays.__annotations__.keys() - {"action_axis"}:
        assert name in SETTINGS, f"softcheck.api.Options has {name}, which is no setting"
        assert offered[name] == declared[name], (
            f"softcheck.api.Options says of {name} that it is {offered[name]}, "
            f"softcheck.settings.Settings that it is {declared[name]}"
        )


def test_each_field_is_offered_to_people_or_named_here():
    hidden = {field.name for field in fields(Settings)} - SETTINGS.keys()
    assert hidden == {"block_entries"}, f"{hidden}: a setting has an Option beside its type"


def test_a_report_shows_what_its_verdict_depends_on_in_the_order_of_version_1():
    (case,) = verify(**CASE, samples=3, strict=True).cases
    assert list(case.settings) == [
        "alpha", "critics", "action_axis", "reduction", "weights", "compute_dtype", "grad_dtype",
        "tolerance_factor", "samples", "seed", "strict",
    ]  # fmt: skip
    shown = case.settings
    assert (shown["alpha"], shown["samples"], shown["strict"]) == (0.25, 3, True)
    assert (shown["action_axis"], shown["weights"]) == (1, False)


@pytest.mark.parametrize(
    ("name", "choice"),
    [(name, choice) for name, setting in SETTINGS.items() for choice in setting.choices],
)
def test_every_choice_that_is_offered_can_be_made(name, choice):
    grad = [[0.0, 0.0]]
    (case,) = verify(**CASE, grad=grad, **{name: choice}).cases
    assert case.settings[name] == choice


def test_every_format_that_is_offered_can_be_rendered():
    offered, made = get_args(OutputFormat), tuple(FORMATS)
    assert offered == made, (
        f"softcheck.settings.OutputFormat is {offered}, softcheck.report.FORMATS has {made}: a "
        "format is in both, in one order"
    )
