"""Programs of operations in PyTorch, in any dtype: gradients as a backward pass has them."""

import torch


def evaluate(program, logits, arrays):  # noqa: C901  one case an operator
    """Return the value of a program on logits of shape (rows, actions)."""
    log_policy = torch.log_softmax(logits, -1)
    rows, actions = torch.arange(len(logits)), torch.arange(logits.shape[1])
    values = []
    for step in program.operations:
        x = [values[k] for k in step.operands]
        if len(x) == 2 and x[0].ndim != x[1].ndim:
            x = [each if each.ndim > 1 or not each.ndim else each[:, None] for each in x]
        match step.operator:
            case "number":
                value = torch.tensor(float(step.of), dtype=logits.dtype)
            case "size":
                value = torch.tensor(float(logits.shape[1]), dtype=logits.dtype)
            case "given":
                value = arrays[step.of].to(logits.dtype)
            case "indicator":
                value = (actions == arrays[step.of][:, None]).to(logits.dtype)
            case "log_policy":
                value = log_policy
            case "policy":
                value = log_policy.exp()
            case "logsumexp":
                value = torch.logsumexp(x[0] if x else logits, -1)
            case "add":
                value = x[0] + x[1]
            case "multiply":
                value = x[0] * x[1]
            case "divide":
                value = x[0] / x[1]
            case "power":
                value = x[0] ** step.of
            case "exp":
                value = x[0].exp()
            case "log":
                value = x[0].log()
            case "sum":
                value = x[0].sum(-1)
            case "below":
                value = (x[0] <= x[1]).to(logits.dtype)
            case "at":
                value = x[0][rows, arrays[step.of]]
        values.append(value)
    return values[-1].expand(logits.shape)
