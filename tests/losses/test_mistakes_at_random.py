"""Mistakes that are drawn, of every shipped loss: a part of what `mistaken_losses.py` draws."""

import pytest
from mistaken_losses import LOSSES, drawn, judged


@pytest.mark.parametrize("number", range(2 * len(LOSSES)))
def test_a_mistake_that_is_drawn_is_caught_and_named(number):
    it = drawn(number)
    what, words = judged(it)
    assert what in {"named", "harmless", "not seen"}, (it.loss, it.mistake.what, words)
