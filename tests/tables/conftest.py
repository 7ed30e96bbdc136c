import numpy as np
import pytest


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    """Let every test have its own working directory, so that paths in messages are short."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def arrays():
    """A case of 7 states and 3 actions."""
    random = np.random.default_rng(7)
    return {
        "q": random.normal(size=(7, 3)),
        "logits": random.normal(size=(7, 3)),
        "grad": random.normal(size=(7, 3)),
        "alpha": np.array(0.2),
    }
