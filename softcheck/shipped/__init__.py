"""The losses that come with softcheck, as data: what was read from `losses/*.tex`, and proved.

To read and to prove a document takes a tenth of a second, which no verification should wait for.
`written` makes the data again.
"""

import re
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from softcheck.errors import UsageError, did_you_mean
from softcheck.gradient.definition import (
    Coefficients,
    Given,
    Kind,
    Loss,
    Operation,
    Program,
    Summand,
    Variant,
)

DEFAULT = "sac"
"""The loss of a case that names none."""

_FOLDER = Path(__file__).parent

_LIST = re.compile(r"\[\n([^][{}]*)\n *\]")
"""The innermost lists of the data: each stands on a line."""

_COEFFICIENTS = ("q", "alpha", "target", "uniform", "chosen", "zeta", "rest")
_TEXTS = ("formula", "gradient", "formula_latex", "gradient_latex", "temperature", "equation")


@cache
def names() -> tuple[str, ...]:
    """Return what the shipped losses are called."""
    return tuple(sorted(data.stem for data in _FOLDER.glob("*.json")))


@cache
def stored(name: str) -> Loss:
    """Return a shipped loss."""
    return _loss(msgspec.json.decode((_FOLDER / f"{name}.json").read_bytes()))


def load(text: str) -> Loss:
    """Return a shipped loss by its name; who reads formulas too hands on a function of theirs.

    Raises
    ------
    UsageError
        If it is none of these names.
    """
    if text not in names():
        hint = did_you_mean(text, names(), "Formulas are read by softcheck.losses.load.")
        raise UsageError("loss", f"'{text}'", f"one of {', '.join(names())}", hint)
    return stored(text)


def written(loss: Loss) -> str:
    """Return the data of a loss as its file has them."""
    import json

    plain = {
        "name": loss.name,
        "title": loss.title,
        "variants": [_plain_variant(variant) for variant in loss.variants],
    }
    text = json.dumps(plain, ensure_ascii=False, indent=1)
    return _LIST.sub(lambda match: f"[{' '.join(match[1].split())}]", text) + "\n"


def _plain_variant(variant: Variant) -> dict[str, Any]:
    return {
        "givens": [
            [g.symbol, g.name, g.kind.name, g.legal, _text(g.default), g.about]
            for g in variant.givens
        ],
        **{name: getattr(variant, name) for name in _TEXTS},
        "proved": variant.proved,
        "value": _plain_program(variant.value),
        "slope": _plain_program(variant.slope),
        "family": variant.family and _plain_coefficients(variant.family),
        "summands": [
            {
                "text": summand.text,
                "weights": [*summand.weights],
                "part": _plain_program(summand.part)
                if isinstance(summand.part, Program)
                else _plain_coefficients(summand.part),
            }
            for summand in variant.summands
        ],
    }


def _plain_coefficients(family: Coefficients) -> dict[str, Any]:
    programs = {name: _plain_program(getattr(family, name)) for name in _COEFFICIENTS}
    return programs | {"index": family.index}


def _plain_program(program: Program | None) -> list[list[Any]] | None:
    """Return an operation a list: what it is, by action or not, what it is of, its operands."""
    if program is None:
        return None
    return [
        [
            step.operator,
            step.by_action,
            _text(step.of) if isinstance(step.of, Fraction) else step.of,
            *step.operands,
        ]
        for step in program.operations
    ]


def _text(number: Fraction | None) -> str | None:
    return None if number is None else str(number)


def _loss(plain: dict[str, Any]) -> Loss:
    variants = tuple(_variant(variant) for variant in plain["variants"])
    return Loss(plain["name"], plain["title"], variants)


def _variant(plain: dict[str, Any]) -> Variant:
    return Variant(
        givens=tuple(
            Given(symbol, name, Kind[kind], legal, None if x is None else Fraction(x), about)
            for symbol, name, kind, legal, x, about in plain["givens"]
        ),
        **{name: plain[name] for name in _TEXTS},
        proved=plain["proved"],
        value=Program(_operations(plain["value"])),
        slope=Program(_operations(plain["slope"])),
        family=plain["family"] and _coefficients(plain["family"]),
        summands=tuple(
            Summand(each["text"], tuple(each["weights"]), _part(each["part"]))
            for each in plain["summands"]
        ),
    )


def _part(plain: Any) -> Coefficients | Program:
    return _coefficients(plain) if isinstance(plain, dict) else Program(_operations(plain))


def _coefficients(plain: dict[str, Any]) -> Coefficients:
    return Coefficients(
        index=plain["index"],
        **{
            name: None if plain[name] is None else Program(_operations(plain[name]))
            for name in _COEFFICIENTS
        },
    )


def _operations(plain: list[list[Any]]) -> tuple[Operation, ...]:
    return tuple(
        Operation(
            operator, tuple(operands), Fraction(of) if operator == "number" else of, by_action
        )
        for operator, by_action, of, *operands in plain
    )
