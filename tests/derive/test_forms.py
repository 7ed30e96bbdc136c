"""A sentence gives its formula the role that a reader would, and looks alone give it none."""

import re
import tomllib
from collections import Counter
from pathlib import Path

import pytest

from softcheck.derive.reading.reader import read

SENTENCES = tomllib.loads(Path(__file__).with_name("forms.toml").read_text("utf-8"))["sentence"]
NEITHER = {"condition", "declaration", "not checked", "remark"}
ANY = {*NEITHER, "claim", "definition"}
ROLES = {
    # What a role allows: the kinds, and whether others may be accused by it. A definition of what
    # was not understood defines nothing, and nobody can be accused by it: None.
    "claim": ({"claim"}, {True, False}),
    "sure claim": ({"claim"}, {True}),
    "definition": ({"definition"}, {True, None}),
    "weak definition": ({"definition"}, {False, None}),
    "declaration": ({"declaration"}, {None}),
    "not checked": ({"not checked"}, {None}),
    "neither": (NEITHER, {None}),
    "no claim": (ANY - {"claim"}, {True, False, None}),
    "no definition": (ANY - {"definition"}, {True, False, None}),
    "no sure claim": (ANY, {False, None}),
    "no sure definition": (ANY, {False, None}),
}


def plain(text):
    """Return what is the same of a formula in LaTeX and with the signs that commands stand for."""
    return re.sub(r"\\[A-Za-z]+|\\.|[^\x21-\x7e]|[{}|=:<>]", "", text)


def found(sentence):
    """Return the kind of a sentence's formula, and whether it may accuse."""
    reading = read(sentence["text"])
    formula = plain(sentence["formula"])
    roles = [each for each in reading.roles if formula in plain(each.latex)]
    assert roles, f"nothing was made of {sentence['formula']}: {reading.roles}"
    role = min(roles, key=lambda each: len(plain(each.latex)))
    if role.kind == "claim":
        claims = [each for each in reading.equalities if each.source_line == role.source_line]
        return role.kind, any(each.sure for each in claims if each.form == role.form)
    if role.kind == "definition":
        same = [
            each
            for each in reading.definitions.values()
            if each.source_line == role.source_line and formula in plain(each.latex)
        ]
        return role.kind, all(each.sure for each in same) if same else None
    return role.kind, None


@pytest.mark.parametrize(
    "sentence",
    SENTENCES,
    ids=[f"{number}-{each['form']}-{each['role']}" for number, each in enumerate(SENTENCES)],
)
def test_a_sentence_gives_its_formula_its_role(sentence):
    kinds, sureness = ROLES[sentence["role"]]
    kind, sure = found(sentence)
    assert kind in kinds
    if sentence["role"] == "no sure claim" and kind == "definition":
        return
    if sentence["role"] == "no sure definition" and kind == "claim":
        return
    assert sure in sureness


def test_each_form_has_three_sentences_and_three_that_only_look_like_it():
    counts = Counter((each["form"], each["is"]) for each in SENTENCES)
    short = [
        (form, kind)
        for form in {each["form"] for each in SENTENCES}
        for kind in (True, False)
        if counts[form, kind] < 3
    ]
    assert not short
