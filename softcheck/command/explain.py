"""`softcheck explain`: what a code of a diagnosis means, or a loss and what goes wrong in it."""

from typing import TYPE_CHECKING, Annotated

import typer

from softcheck.command.output import write
from softcheck.errors import UsageError, did_you_mean, printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from softcheck.losses.making import Made

EXAMPLES = "softcheck explain missing-alpha\nsoftcheck explain cross-entropy\nsoftcheck explain"


def _names(incomplete: str) -> list[str]:
    from softcheck.diagnosis.mistakes import MISTAKES
    from softcheck.losses import names

    return [name for name in (*MISTAKES, *names()) if name.startswith(incomplete)]


def explain(
    code: Annotated[
        str | None,
        typer.Argument(
            metavar="CODE",
            help="The code at the end of a diagnosis, or a loss as --loss takes it",
            autocompletion=_names,
            rich_help_panel="Arguments",
        ),
    ] = None,
) -> None:
    """Say what a diagnosis means, or what a loss is and how its gradient goes wrong.

    Without a code, list all codes and losses.
    """
    from softcheck.diagnosis.explain import WIDTH, listing
    from softcheck.diagnosis.explain import explain as explained
    from softcheck.diagnosis.mistakes import MISTAKES
    from softcheck.losses import names
    from softcheck.shipped import stored

    if code is None:
        write(listing())
        write("".join(f"{name:<{WIDTH}}  {stored(name).title}\n" for name in names()))
    elif not set(code.split("+")) - set(MISTAKES):
        write(explained(code))
    elif code in names() or not _is_word(code):
        write("".join(f"{line}\n" for line in _of_loss(code)))
    else:
        hint = did_you_mean(code, (*MISTAKES, *names()), "softcheck explain lists them all.")
        expected = "the code of a diagnosis, or a loss"
        raise UsageError("explain", f"'{printable(code)}'", expected, hint)


def _is_word(text: str) -> bool:
    """Tell whether a text can be no formula and no file."""
    return not set(text) & set("\\$.:/(= ")


def _of_loss(text: str) -> "Iterator[str]":
    from softcheck.losses import read
    from softcheck.losses.reporting import report
    from softcheck.report.loss_words import facts, heading

    named = read(text, where="explain")
    said = report(named)
    yield f"{printable(said.loss)}: {heading(said) or 'a loss of your own'}."
    for made, variant in zip(named.variants, said.variants, strict=True):
        yield ""
        for name, fact in facts(variant):
            yield f"  {name:<9} {fact}"
        yield ""
        yield from _mistakes(made)


def _mistakes(made: "Made") -> "Iterator[str]":
    """Yield the mistakes of a loss, under the codes of a diagnosis."""
    from softcheck.losses.mistakes import mistakes

    found = mistakes(made)
    width = max((len(wrong.code) for wrong in found), default=0)
    for wrong in found:
        yield f"  {wrong.code:<{width}}  {printable(wrong.said, 400)}"
        for other in wrong.also:
            yield f"  {'':<{width}}  or {printable(other.said, 400)}"
