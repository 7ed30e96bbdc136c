"""The completed derivation: the term that was left out written down, as LaTeX to paste."""

from collections.abc import Iterator, Sequence
from typing import assert_never

from softcheck.derive.check import Checked, Decision
from softcheck.derive.expr import Add, Condition, Sym
from softcheck.derive.ladder import Gap, Ground, Proof
from softcheck.derive.reading.claims import Line
from softcheck.derive.spell import latex


def completion(checked: Checked) -> str:
    """Return an `aligned` environment for each chain that leaves a term out; else a comment."""
    parts = []
    for position, decision in enumerate(checked.decisions):
        if isinstance(decision.found, Proof) and decision.found.gap is not None:
            gap = decision.found.gap
            parts.append("\n".join(_completed(checked, position, decision, gap)))
    return "\n\n".join(parts) + "\n" if parts else "% No step leaves a term out.\n"


def _completed(checked: Checked, position: int, decision: Decision, gap: Gap) -> Iterator[str]:
    equality = decision.equality
    left, right = equality.left.formula, equality.right.formula
    where = _where(equality.conditions)
    yield f"% line {equality.source_line}: the term that is left out, and why it is 0"
    yield r"\begin{aligned}"
    yield f"{latex(left)} &= {latex(Add((right, gap.term)))}{where} \\\\"
    yield r"&\quad \text{in which} \\"
    yield f"{latex(gap.term)} {_proof(gap, where)} \\\\"
    yield r"&\quad \text{so that} \\"
    chain = [equality.right, *_following(checked, position)]
    lines = [latex(line.tree) for line in chain if line.tree is not None]
    yield f"{latex(left)} &= " + " \\\\\n&= ".join(lines) + where
    yield r"\end{aligned}"


def _where(conditions: Sequence[Condition]) -> str:
    """Return conditions as they stand behind the last line of a chain."""
    return "".join(rf", \quad {_condition(condition)}" for condition in conditions)


def _condition(condition: Condition) -> str:
    """Return a condition on two actions, or on a scalar."""
    match condition.relation:
        case "=":
            return f"{condition.left} = {condition.right}"
        case "≠":
            return rf"{condition.left} \neq {condition.right}"
        case relation:
            return f"{latex(Sym(condition.left))} {relation} {condition.right}"


def _proof(gap: Gap, where: str) -> str:
    last = len(gap.stages) - 1
    return " \\\\\n".join(
        rf"&= {latex(stage.left)}{where if at == last else ''} && \text{{{_reason(stage.by)}}}"
        for at, stage in enumerate(gap.stages)
    )


def _reason(ground: Ground) -> str:
    name = latex(Sym(ground.name))
    match ground.kind:
        case "definition":
            return f"by the definition of ${name}$"
        case "lemma":
            return f"by the formula of {ground.name}"
        case "one":
            return rf"because $\sum_b {name}(b) = 1$"
        case _:
            assert_never(ground.kind)


def _following(checked: Checked, position: int) -> list[Line]:
    """Return the lines that the chain goes on with."""
    lines = []
    line = checked.decisions[position].equality.right
    for decision in checked.decisions[position + 1 :]:
        if decision.equality.left is line:
            line = decision.equality.right
            lines.append(line)
    return lines
