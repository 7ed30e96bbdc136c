"""Programs of operations, evaluated plainly in float64, by nothing of softcheck's."""

import numpy as np


def evaluate(program, logits, arrays, legal=None):  # noqa: C901  one case an operator
    """Return the value of a program on logits of shape (actions, rows)."""
    legal = np.ones(logits.shape, dtype=bool) if legal is None else legal
    masked = np.where(legal, logits, -np.inf)
    top = masked.max(axis=0)
    lse = top + np.log(np.exp(masked - top).sum(axis=0))
    log_policy = logits - lse
    rows = np.arange(logits.shape[1])
    actions = np.arange(logits.shape[0])[:, None]
    values = []
    for step in program.operations:
        x = [values[k] for k in step.operands]
        match step.operator:
            case "number":
                value = np.array([float(step.of)])
            case "size":
                value = legal.sum(axis=0).astype(float)
            case "given":
                value = np.asarray(arrays[step.of], dtype=float)
            case "indicator":
                value = (actions == arrays[step.of]).astype(float)
            case "log_policy":
                value = log_policy
            case "policy":
                value = np.where(legal, np.exp(log_policy), 0.0)
            case "logsumexp" if not x:
                value = lse
            case "logsumexp":
                most = np.where(legal, x[0], -np.inf).max(axis=0)
                value = most + np.log(np.where(legal, np.exp(x[0] - most), 0).sum(axis=0))
            case "add":
                value = x[0] + x[1]
            case "multiply":
                value = x[0] * x[1]
            case "divide":
                value = x[0] / x[1]
            case "power":
                value = x[0] ** step.of
            case "exp":
                value = np.exp(x[0])
            case "log":
                value = np.log(x[0])
            case "sum":
                value = np.where(legal, x[0], 0.0).sum(axis=0)
            case "below":
                value = (x[0] <= x[1]).astype(float)
            case "at":
                value = x[0][arrays[step.of], rows]
        assert (value.ndim == 2) == step.by_action, step
        values.append(value)
    return values[-1]


def family_gradient(family, logits, arrays):
    """Return the gradient that the coefficients of the family make, by its closed formula."""
    lse = np.log(np.exp(logits).sum(axis=0))
    log_policy = logits - lse
    pi = np.exp(log_policy)

    def of(program):
        return 0.0 if program is None else evaluate(program, logits, arrays)

    u = of(family.alpha) * log_policy - of(family.q)
    y = of(family.target) + of(family.uniform) + np.zeros_like(pi)
    if family.index is not None:
        y = y + of(family.chosen) * (np.arange(len(pi))[:, None] == arrays[family.index])
    shift = y.sum(axis=0) + 2 * of(family.zeta) * lse
    return pi * (u - (pi * u).sum(axis=0)) + shift * pi - y


def family_loss(family, logits, arrays):
    """Return the loss that the coefficients of the family make."""
    lse = np.log(np.exp(logits).sum(axis=0))
    log_policy = logits - lse
    pi = np.exp(log_policy)

    def of(program):
        return 0.0 if program is None else evaluate(program, logits, arrays)

    y = of(family.target) + of(family.uniform) + np.zeros_like(pi)
    if family.index is not None:
        y = y + of(family.chosen) * (np.arange(len(pi))[:, None] == arrays[family.index])
    value = (pi * (of(family.alpha) * log_policy - of(family.q)) - y * log_policy).sum(axis=0)
    return value + of(family.zeta) * lse**2 + of(family.rest)
