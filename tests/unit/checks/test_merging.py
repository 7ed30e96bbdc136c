"""Results that merge: every field says how, and one that does not is an error."""

from dataclasses import dataclass, field
from operator import add
from typing import Annotated

import pytest

from softcheck.checks.merging import Merging, by_key, either, joins, kept, merged, side_by_side


@dataclass
class Part(Merging):
    count: Annotated[int, add] = 0


@dataclass
class Whole(Merging):
    limit: Annotated[int, kept]
    names: Annotated[list[str], add]
    first: Annotated[str | None, either] = None
    part: Annotated[Part | None, merged] = None
    parts: Annotated[dict[str, Part], by_key(merged)] = field(default_factory=dict)
    rows: Annotated[list[Part], side_by_side(merged)] = field(default_factory=list)


def test_each_field_is_joined_as_it_says():
    mine = Whole(1, ["a"], None, Part(2), {"x": Part(1)}, [Part(1), Part(10)])
    mine.merge(Whole(2, ["b"], "c", Part(3), {"x": Part(4), "y": Part(5)}, [Part(2), Part(20)]))
    assert mine == Whole(
        1, ["a", "b"], "c", Part(5), {"x": Part(5), "y": Part(5)}, [Part(3), Part(30)]
    )


@pytest.mark.parametrize(("mine", "other"), [(None, None), (Part(1), None), (None, Part(1))])
def test_what_only_some_blocks_have_is_taken_as_it_is(mine, other):
    whole = Whole(1, [], part=mine)
    whole.merge(Whole(1, [], part=other))
    assert whole.part == (mine or other)


def test_rows_of_different_lengths_are_no_rows_of_one_thing():
    whole = Whole(1, [], rows=[Part(1)])
    with pytest.raises(ValueError, match="shorter"):
        whole.merge(Whole(1, []))


def test_a_field_that_does_not_say_how_it_merges_is_an_error():
    @dataclass
    class Silent(Merging):
        lost: int = 0

    with pytest.raises(TypeError, match=r"Silent\.lost does not say how two values of it become"):
        Silent().merge(Silent(1))


def every(kind):
    """Yield all classes below a class."""
    for below in kind.__subclasses__():
        yield below
        yield from every(below)


def test_every_class_that_merges_says_how():
    import softcheck.diagnosis.name
    import softcheck.verification  # noqa: F401  what they load is looked at

    ours = [kind for kind in every(Merging) if kind.__module__.startswith("softcheck")]
    assert ours
    for kind in ours:
        assert joins(kind)
