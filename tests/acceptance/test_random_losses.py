"""Losses from random formulas: a right gradient passes, and an error of 1 % in a term is found.

A stop-gradient is named, or it changes nothing.
"""

import pytest
from random_losses import drawn, judged, stopped

from softcheck.errors import SoftcheckError

SEEDS = range(5)
EACH = 5


@pytest.mark.parametrize("seed", SEEDS)
def test_a_random_loss_is_proved_and_verified(seed):
    refused = []
    for number in range(EACH * seed, EACH * (seed + 1)):
        loss = drawn(number)
        try:
            assert judged(loss) == [], (number, loss.text)
        except SoftcheckError as error:
            refused.append((number, loss.text, error))
    assert len(refused) <= 1, refused


@pytest.mark.parametrize("number", range(8))
def test_a_stop_gradient_in_a_random_loss_is_named_or_changes_nothing(number):
    _, wrong = stopped(drawn(number), number)
    assert wrong == []
