"""A mistake is one record: what one lacks is said, and none is left out of the registry."""

import pkgutil
import re
from dataclasses import fields, replace
from importlib import import_module

import pytest

from softcheck.checks.dumps import INTERMEDIATES
from softcheck.diagnosis import mistakes
from softcheck.diagnosis.mistakes.record import Mistake, Need, Planted, Shown
from softcheck.diagnosis.mistakes.where import FIRST_WRONG
from softcheck.selftest import DTYPES

TEXTS = ("phrase", "what", "wrong", "right", "wrong_line", "right_line")
TOLD_BY = ("scale", "ratio", "flips", "formulas")


def lacks(mistake):
    """Say what a record lacks, a sentence for each."""
    code = mistake.code
    found = [f"{code}: its `{text}` is empty" for text in TEXTS if not getattr(mistake, text)]
    if not re.fullmatch("[a-z0-9]+(-[a-z0-9]+)*", code):
        found.append(f"{code!r} is no code: words of small letters, joined by hyphens")
    if not mistake.needs.words:
        found.append(f"{code}: its need has no words: selftest says them of data without it")
    told_by = [name for name in TOLD_BY if getattr(mistake, name)]
    if mistake.planted is None:
        if told_by or mistake.shows:
            found.append(f"{code}: what only says where to look has no {told_by or 'shows'}")
    elif not mistake.planted.by and not told_by:
        found.append(
            f"{code}: selftest cannot plant it: give it a scale, a ratio or a formula, or "
            "planted=Planted(by=...)"
        )
    elif not set(mistake.planted.not_in) <= set(DTYPES):
        found.append(f"{code}: it is planted in {DTYPES}, not in {mistake.planted.not_in}")
    if mistake.flips and (mistake.scale or mistake.ratio):
        found.append(f"{code}: a sign that is flipped has no scale or ratio of its own")
    found += [
        f"{code}: it shows in {shown.quantity!r}, which is none of {', '.join(INTERMEDIATES)}"
        for shown in mistake.shows
        if shown.quantity not in INTERMEDIATES
    ]
    variants = [] if callable(mistake.formulas) else [each.variant for each in mistake.formulas]
    if len(set(variants)) != len(variants):
        found.append(f"{code}: two of its formulas have one name for their variant")
    return found


@pytest.mark.parametrize("code", mistakes.MISTAKES)
def test_a_record_lacks_nothing(code):
    assert not lacks(mistakes.MISTAKES[code])


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        *(({text: ""}, f"its `{text}` is empty") for text in TEXTS),
        ({"code": "No Code"}, "is no code"),
        ({"needs": Need("")}, "has no words"),
        ({"planted": Planted()}, "selftest cannot plant it"),
        ({"planted": Planted(print, not_in=("f4",))}, "it is planted in"),
        ({"scale": lambda _: (2.0,)}, "has no ['scale']"),
        ({"flips": "scale", "scale": lambda _: (2.0,), "planted": Planted()}, "of its own"),
        ({"planted": Planted(print), "shows": (Shown("pi", print),)}, "in 'pi', which is none of"),
    ],
)
def test_what_a_record_lacks_is_said(changed, said):
    (sentence,) = lacks(replace(FIRST_WRONG, **changed))
    assert said in sentence


def test_every_record_of_every_file_is_registered_once():
    names = [each.name for each in pkgutil.iter_modules(mistakes.__path__, f"{mistakes.__name__}.")]
    written = [
        (each.code, module.__name__)
        for module in map(import_module, names)
        for each in vars(module).values()
        if isinstance(each, Mistake)
    ]
    codes = [code for code, _ in written]
    left_out = [where for where in written if where[0] not in mistakes.MISTAKES]
    assert not left_out, "add the file to mistakes.TOPICS"
    twice = [where for where in written if codes.count(where[0]) > 1]
    assert not twice, "a code is that of one record, and no topic takes one from another's file"


def test_what_a_mistake_must_have_is_required_by_its_type():
    required = {each.name for each in fields(Mistake) if each.default is each.default_factory}
    assert required == {"code", *TEXTS} - {"right"}
