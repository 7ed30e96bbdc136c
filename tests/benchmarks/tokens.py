"""What `verify` of a language model's tokens costs, beside the training step that it verifies.

python tests/benchmarks/tokens.py [STATES] [RUNS]

Logits and gradients are bfloat16, STATES x 151,936. The step is PyTorch's forward and backward of
the same loss, upcast to float32, 64 tokens at a time; both run in turn on two threads, from memory.
"""

import sys
import time
from functools import partial

import torch
from kernel import seconds

from softcheck.losses import load
from softcheck.result import Status
from softcheck.settings import Settings
from softcheck.tables.case import case_from_arrays
from softcheck.tables.declared import Declared
from softcheck.verification import verify_case

ACTIONS, CHUNK, CLIP, BETA = 151_936, 64, 0.2, 0.04
SETTINGS = {"reduction": "sum", "compute_dtype": "float32"}


def cross_entropy(logits, labels):
    """Return the loss of some tokens."""
    return torch.nn.functional.cross_entropy(logits.float(), labels, reduction="sum")


def grpo(logits, actions, advantages, old_log_probs, ref_log_probs):
    """Return the loss of some tokens."""
    log_pi = torch.log_softmax(logits.float(), -1).gather(1, actions[:, None])[:, 0]
    ratio, apart = (log_pi - old_log_probs).exp(), ref_log_probs - log_pi
    clipped = ratio.clamp(1.0 - CLIP, 1.0 + CLIP)
    surrogate = torch.minimum(ratio * advantages, clipped * advantages)
    return (BETA * (apart.exp() - apart - 1.0) - surrogate).sum()


LOSSES = {"cross-entropy": (cross_entropy, {}), "grpo": (grpo, {"clip": CLIP, "beta": BETA})}


def tokens(name, states):
    """Return the arrays of a case by name, without its gradient, as `LOSSES` takes them."""
    generator = torch.Generator().manual_seed(0)
    drawn = partial(torch.randn, generator=generator)
    logits = torch.cat([(2.0 * drawn(CHUNK, ACTIONS)).bfloat16() for _ in range(states // CHUNK)])
    actions = torch.randint(ACTIONS, (states,), generator=generator)
    if name == "cross-entropy":
        return {"logits": logits, "labels": actions}
    at = torch.cat(
        [
            torch.log_softmax(logits[some].float(), -1).gather(1, actions[some, None])[:, 0]
            for some in torch.arange(states).split(CHUNK)
        ]
    )
    old, ref = at + 0.02 * drawn(states), at + 0.1 * drawn(states)
    given = {"advantages": drawn(states), "old_log_probs": old, "ref_log_probs": ref}
    return {"logits": logits, "actions": actions, **given}


def step(loss, arrays):
    """Return the gradient of each token."""
    grad = torch.empty_like(arrays["logits"])
    for some in torch.arange(len(grad)).split(CHUNK):
        logits, *given = (array[some[0] : some[-1] + 1] for array in arrays.values())
        logits = logits.detach().requires_grad_()
        loss(logits, *given).backward()
        grad[some[0] : some[-1] + 1] = logits.grad
    return grad


def verified(case):
    """Verify a case on two threads."""
    if verify_case(case, Settings(**SETTINGS, kernel="compiled", threads=2)).status is not (
        Status.PASSED
    ):
        raise SystemExit("a right gradient failed")


def measured(states=2_048, runs=3):
    """Return the least seconds of both by the clock and by the processor, by loss."""
    torch.set_num_threads(2)
    found = {}
    for name, (loss, numbers) in LOSSES.items():
        arrays = tokens(name, states)
        grad = step(loss, arrays)
        case = case_from_arrays(arrays | {"grad": grad, **numbers}, declared=Declared(load(name)))
        both = {"verify": partial(verified, case), "step": partial(step, loss, arrays)}
        best = {}
        for clock in (time.perf_counter, time.process_time):
            rounds = [[seconds(run, clock) for run in both.values()] for _ in range(runs)]
            best[clock.__name__] = dict(zip(both, map(min, *rounds), strict=True))
        found[name] = best
    return found


def main():
    """Print a line a measure."""
    for name, best in measured(*map(int, sys.argv[1:])).items():
        for clock in ("perf_counter", "process_time"):
            of = best[clock]
            print(f"{of['verify'] / of['step']:6.2f}  {name}, {clock}: {of}")


if __name__ == "__main__":
    main()
