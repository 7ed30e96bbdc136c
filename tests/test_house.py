"""What each folder keeps to, where no linter can say it."""

import ast
import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "softcheck"


def is_public(node):
    name = node.name
    return not name.startswith("_") or (name.startswith("__") and name.endswith("__"))


def signatures(body):
    """Yield each annotation that others see, with the name it belongs to; fields are arguments."""
    for node in body:
        if isinstance(node, ast.ClassDef) and is_public(node):
            fields = [each for each in node.body if isinstance(each, ast.AnnAssign)]
            yield from ((f"{node.name}.{each.target.id}", each.annotation) for each in fields)
            yield from signatures(node.body)
        elif isinstance(node, ast.FunctionDef) and is_public(node):
            every = node.args
            arguments = [*every.posonlyargs, *every.args, *every.kwonlyargs]
            arguments += [each for each in (every.vararg, every.kwarg) if each]
            for annotation in [*(each.annotation for each in arguments), node.returns]:
                if annotation is not None:
                    yield node.name, annotation


@pytest.mark.parametrize(
    "folder", ["gradient", "checks", "diagnosis", "derive", "tables", "training", "engines"]
)
def test_every_array_of_a_signature_says_its_shape(folder):
    shapeless = [
        f"{path.relative_to(PACKAGE.parent)}:{annotation.lineno}: {name} takes or returns "
        f"`{ast.unparse(annotation)}`, which says no shape: name it by an alias that does, of "
        "softcheck/gradient/policy.py or one beside it"
        for path in sorted((PACKAGE / folder).rglob("*.py"))
        for name, annotation in signatures(ast.parse(path.read_text()).body)
        if re.search(r"\b(Array|NDArray|ndarray)\b", ast.unparse(annotation))
    ]
    assert not shapeless, "\n".join(shapeless)


@pytest.mark.parametrize("folder", ["gradient", "checks", "diagnosis"])
def test_threads_do_not_wait_for_each_other_s_properties(folder):
    own = PACKAGE / "gradient" / "kernel.py"
    locked = [
        f"{path.relative_to(PACKAGE.parent)}: cached_property has a lock in Python 3.11, one for "
        "all instances: use Once of softcheck/gradient/kernel.py"
        for path in sorted((PACKAGE / folder).rglob("*.py"))
        if path != own and "cached_property" in path.read_text()
    ]
    assert not locked, "\n".join(locked)
