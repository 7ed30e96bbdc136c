"""Right gradients of every shipped loss by the thousand, computed by PyTorch as people do.

    nice python tests/right_losses.py [COUNT] [SEED]

None of them may fail. Prints each that does, and how many passed or were inconclusive, by loss,
arithmetic and the checks that saw nothing. `drawn` makes the gradient of a line again from its
number.
"""

import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from math import log

import numpy as np
import torch
from right_gradients import ARITHMETICS, MOST, Drawn, Tensor, log_at_zero, verdict
from torch.distributions import Categorical
from torch.nn import functional as F  # noqa: N812  so does everybody

from softcheck import Status

ILLEGAL = -1e4
"""What code writes over the logits of illegal actions; float16 still holds it."""


@dataclass(frozen=True)
class Batch:
    """What a loss is made of, by its names in a case; numbers of states are columns.

    Each call of `read` reads the leaf, as code does in each place.
    """

    read: Callable[[], Tensor]
    legal: Tensor
    has: dict

    def __getitem__(self, name):
        return self.has.get(name, 1.0 if name == "temperature" else 0.0)

    def masked(self, logits=None):
        """Return logits with a large negative number where an action is masked."""
        logits = self.read() / self["temperature"] if logits is None else logits
        return logits.masked_fill(~self.legal, ILLEGAL)

    @property
    def distribution(self):
        return Categorical(logits=self.masked(), validate_args=False)

    @property
    def log_ref(self):
        given = self.has.get("ref_log_probs")
        return torch.log_softmax(self.masked(self["ref_logits"]), -1) if given is None else given

    @property
    def log_teacher(self):
        """The teacher's logarithms; divided by a temperature they are logits again."""
        teacher = self.has.get("teacher_log_probs", self.has.get("teacher_logits"))
        if "teacher_log_probs" in self.has and "temperature" not in self.has:
            return teacher
        return torch.log_softmax(self.masked(teacher / self["temperature"]), -1)

    def reverse(self, pi, log_pi):
        """Return the part of a distillation that is the divergence in the other direction."""
        if "beta" not in self.has:  # a teacher may leave actions out
            return 0.0
        return self.flat("beta") * (pi * (log_pi - self.log_teacher)).sum(-1)

    @property
    def index(self):
        """Labels or actions; any action where a label says that the position is left out."""
        return (self.has["labels"] if "labels" in self.has else self.has["actions"]).clamp_min(0)

    @property
    def target(self):
        """What a cross-entropy is that of: labels or targets, smoothed over the legal actions."""
        targets = self.has.get("targets")
        if targets is None:
            targets = F.one_hot(self.index, self.legal.shape[-1]).to(self.read().dtype)
        smoothing, legal = self["label_smoothing"], self.legal.to(targets.dtype)
        return (1 - smoothing) * targets + smoothing * legal / legal.sum(-1, keepdim=True)

    def flat(self, name):
        """Return a number, or one for each state without an axis of actions."""
        value = self[name]
        return value.squeeze(-1) if torch.is_tensor(value) else value

    def chosen(self, table):
        return table.gather(-1, self.index[:, None]).squeeze(-1)

    @property
    def z_loss(self):
        """The penalty of a normaliser, which reads the logits once more; 0.0 without one."""
        if "z_coef" not in self.has:
            return 0.0
        return self.flat("z_coef") * torch.logsumexp(self.masked(), -1) ** 2


def clipped(b, log_pi):
    """The surrogate of PPO."""
    ratio, clip = (b.chosen(log_pi) - b.flat("old_log_probs")).exp(), b.flat("clip")
    least = torch.maximum(torch.minimum(ratio, ratio * 0 + 1 + clip), ratio * 0 + 1 - clip)
    if one(b, "clip"):
        least = ratio.clamp(1 - clip, 1 + clip)
    return -torch.min(ratio * b.flat("advantages"), least * b.flat("advantages"))


def k3(b, log_pi):
    """The estimate of a divergence of GRPO, 0.0 for PPO."""
    if "ref_log_probs" not in b.has:
        return 0.0
    apart = b.flat("ref_log_probs") - b.chosen(log_pi)
    return b.flat("beta") * (apart.exp() - apart - 1)


def log_softmax(batch):
    log_pi = torch.log_softmax(batch.masked(), -1)
    return log_pi.exp(), log_pi


def softmax_beside_log_softmax(batch):
    return torch.softmax(batch.masked(), -1), torch.log_softmax(batch.masked(), -1)


def softmax_and_log(batch):
    pi = torch.softmax(batch.masked(), -1)
    return pi, log_at_zero(pi)


def less_logsumexp(batch):
    logits = batch.masked()
    log_pi = logits - torch.logsumexp(logits, -1, keepdim=True)
    return log_pi.exp(), log_pi


def of_distribution(batch):
    policy = batch.distribution
    return policy.probs, policy.logits


def less_maximum(batch):
    """With the maximum taken off by hand, as NumPy's users write it.

    It is detached: its gradient is 0, but rounding leaves all that cancels at the largest logit.
    """
    logits = batch.masked()
    z = logits - logits.amax(-1, keepdim=True).detach()
    w = z.exp()
    Z = w.sum(-1, keepdim=True)
    return w / Z, z - Z.log()


POLICIES = [
    log_softmax,
    softmax_beside_log_softmax,
    softmax_and_log,
    less_logsumexp,
    of_distribution,
    less_maximum,
]
"""From a batch to pi and log pi."""

FORMULAS = {
    "sac": lambda b, pi, log_pi: (pi * (b["alpha"] * log_pi - b["q"])).sum(-1),
    "policy-gradient": lambda b, pi, log_pi: -(pi * b["q"]).sum(-1),
    "entropy": lambda b, pi, log_pi: b.flat("coef") * (pi * log_pi).sum(-1),
    "reverse-kl": lambda b, pi, log_pi: b.flat("beta") * (pi * (log_pi - b.log_ref)).sum(-1),
    "kl-regularised": lambda b, pi, log_pi: (
        (pi * (b["beta"] * (log_pi - b.log_ref) - b["q"])).sum(-1)
        + b.flat("alpha") * (pi * log_pi).sum(-1)
    ),
    "cross-entropy": lambda b, pi, log_pi: -(b.target * log_pi).sum(-1) + b.z_loss,
    "distillation": lambda b, pi, log_pi: (
        -(1 - b.flat("beta")) * (b.log_teacher.exp() * log_pi).sum(-1) + b.reverse(pi, log_pi)
    ),
    "reinforce": lambda b, pi, log_pi: (
        -b.flat("advantages") * b.chosen(log_pi) + b.flat("entropy_coef") * (pi * log_pi).sum(-1)
    ),
    **dict.fromkeys(
        ("ppo-clip", "grpo"),
        lambda b, pi, log_pi: (
            clipped(b, log_pi) + k3(b, log_pi) + b.flat("entropy_coef") * (pi * log_pi).sum(-1)
        ),
    ),
}
"""The definition of each shipped loss: a number for each state."""


def by_distribution_and_entropy(b):
    policy = b.distribution
    return -(policy.probs * b["q"]).sum(-1) - b.flat("alpha") * policy.entropy()


def by_entropy(b):
    return -b.flat("coef") * b.distribution.entropy()


def by_kl_div_to_reference(b):
    log_pi = torch.log_softmax(b.masked(), -1)
    return b.flat("beta") * F.kl_div(b.log_ref, log_pi, log_target=True, reduction="none").sum(-1)


def by_two_penalties(b):
    """A bonus and a divergence added to a reward, each with a policy of its own."""
    log_pi = torch.log_softmax(b.masked(), -1)
    kl = F.kl_div(b.log_ref, log_pi, log_target=True, reduction="none").sum(-1)
    reward = (torch.softmax(b.masked(), -1) * b["q"]).sum(-1)
    return b.flat("beta") * kl - b.flat("alpha") * b.distribution.entropy() - reward


def by_cross_entropy(b):
    target = b.has.get("targets", b.has.get("labels"))
    smoothing = b["label_smoothing"]
    return F.cross_entropy(b.masked(), target, label_smoothing=smoothing, reduction="none") + (
        b.z_loss
    )


def by_nll_loss(b):
    log_pi = torch.log_softmax(b.masked(), -1)
    return F.nll_loss(log_pi, b.index, reduction="none") + b.z_loss


def by_logsumexp_less_logit(b):
    """Logits are read once: the normaliser serves the penalty too."""
    logits = b.masked()
    lse = torch.logsumexp(logits, -1)
    return lse - b.chosen(logits) + b.flat("z_coef") * lse**2


def by_log_of_chosen(b):
    return -torch.log(b.chosen(torch.softmax(b.masked(), -1))) + b.z_loss


def by_smoothed_mean(b):
    """The label and the mean of all, mixed: how smoothing is mostly written by hand."""
    log_pi = torch.log_softmax(b.masked(), -1)
    smoothing = b.flat("label_smoothing")
    mean = (log_pi * b.legal).sum(-1) / b.legal.sum(-1)
    return -(1 - smoothing) * b.chosen(log_pi) - smoothing * mean + b.z_loss


def by_log_prob(b):
    return -b.distribution.log_prob(b.index) + b.z_loss


def by_kl_div_of_targets(b):
    log_pi = torch.log_softmax(b.masked(), -1)
    return F.kl_div(log_pi, b.target, reduction="none").sum(-1) + b.z_loss


def by_kl_div_of_teacher(b):
    log_pi, log_rho = torch.log_softmax(b.masked(), -1), b.log_teacher
    return F.kl_div(log_pi, log_rho, log_target=True, reduction="none").sum(-1)


def by_kl_div_of_teacher_probabilities(b):
    log_pi, log_rho = torch.log_softmax(b.masked(), -1), b.log_teacher
    return F.kl_div(log_pi, log_rho.exp(), reduction="none").sum(-1)


def by_cross_entropy_of_teacher(b):
    return F.cross_entropy(b.masked(), b.log_teacher.exp(), reduction="none")


def by_both_divergences(b):
    """As generalised distillation has it: the two of them from their logarithms."""
    log_pi, log_rho, beta = torch.log_softmax(b.masked(), -1), b.log_teacher, b.flat("beta")
    forward = F.kl_div(log_pi, log_rho, log_target=True, reduction="none").sum(-1)
    reverse = F.kl_div(log_rho, log_pi, log_target=True, reduction="none").sum(-1)
    return (1 - beta) * forward + beta * reverse


def by_log_prob_and_entropy(b):
    policy = b.distribution
    chosen = policy.log_prob(b.index)
    return -b.flat("advantages") * chosen - b.flat("entropy_coef") * policy.entropy()


def by_weighted_cross_entropy(b):
    chosen = F.cross_entropy(b.masked(), b.index, reduction="none")
    return b.flat("advantages") * chosen - b.flat("entropy_coef") * b.distribution.entropy()


def by_log_prob_of_distribution(b):
    """As trainers have it: the maximum of two losses, and the entropy of the distribution."""
    policy = b.distribution
    taken = policy.log_prob(b.index)
    ratio, clip, a = (taken - b.flat("old_log_probs")).exp(), b.flat("clip"), b.flat("advantages")
    least = torch.max(-a * ratio, -a * torch.clamp(ratio, 1 - clip, 1 + clip))
    logits = log_softmax(b)[1]
    return least + k3(b, logits) - b.flat("entropy_coef") * policy.entropy()


def chosen_of_clipped(b, log_pi):
    """What log pi is weighted by: A r where it counts, less b (1 - rho / pi)."""
    ratio, a = (b.chosen(log_pi) - b.flat("old_log_probs")).exp(), b.flat("advantages")
    counts = torch.where(a > 0, ratio <= 1 + b.flat("clip"), ratio >= 1 - b.flat("clip"))
    size = a * ratio * counts
    if "ref_log_probs" in b.has:
        apart = b.flat("ref_log_probs") - b.chosen(log_pi)
        size = size - b.flat("beta") * (1 - apart.exp())
    return chosen_entries(b, size[:, None])


def by_hand(b, part):
    """The gradient as a backward pass writes it: pi (u - mean of u) - y and what goes with it."""
    _, log_pi = less_logsumexp(b)
    pi = log_pi.exp()
    u, y = part(b, log_pi)
    grad = -y + pi * y.sum(-1, keepdim=True) if torch.is_tensor(y) else 0.0
    if torch.is_tensor(u):
        grad = grad + pi * (u - (pi * u).sum(-1, keepdim=True))
    if "z_coef" in b.has:
        grad = grad + 2 * b["z_coef"] * torch.logsumexp(b.masked(), -1, keepdim=True) * pi
    return grad / b["temperature"]


def chosen_entries(b, size):
    return size * F.one_hot(b.index, b.legal.shape[-1])


PARTS = {
    "sac": lambda b, log_pi: (b["alpha"] * log_pi - b["q"], 0.0),
    "policy-gradient": lambda b, log_pi: (-b["q"], 0.0),
    "entropy": lambda b, log_pi: (b["coef"] * log_pi, 0.0),
    "reverse-kl": lambda b, log_pi: (b["beta"] * (log_pi - b.log_ref), 0.0),
    "kl-regularised": lambda b, log_pi: (
        b["beta"] * (log_pi - b.log_ref) - b["q"] + b["alpha"] * log_pi,
        0.0,
    ),
    "cross-entropy": lambda b, log_pi: (0.0, b.target),
    "distillation": lambda b, log_pi: (
        b["beta"] * (log_pi - b.log_teacher) if "beta" in b.has else 0.0,
        (1 - b["beta"]) * b.log_teacher.exp(),
    ),
    "reinforce": lambda b, log_pi: (b["entropy_coef"] * log_pi, chosen_entries(b, b["advantages"])),
    **dict.fromkeys(
        ("ppo-clip", "grpo"),
        lambda b, log_pi: (b["entropy_coef"] * log_pi, chosen_of_clipped(b, log_pi)),
    ),
}
"""From log pi to what a state's expectation is of, and to what log pi is weighted by."""


def one(batch, name):
    """Whether an option is one number for all states, or not there."""
    return not torch.is_tensor(batch[name])


def has_labels(batch):
    return "labels" in batch.has


def is_forward(batch):
    return "beta" not in batch.has


def fits_cross_entropy(batch):
    """PyTorch spreads over masked actions too, and refuses a tensor."""
    smooth = "label_smoothing" in batch.has
    return not smooth or (one(batch, "label_smoothing") and bool(batch.legal.all()))


def is_hard(batch):
    return has_labels(batch) and "label_smoothing" not in batch.has


SPECIAL = {
    "sac": [(by_distribution_and_entropy, None)],
    "policy-gradient": [],
    "entropy": [(by_entropy, None)],
    "reverse-kl": [(by_kl_div_to_reference, None)],
    "kl-regularised": [(by_two_penalties, None)],
    "cross-entropy": [
        (by_cross_entropy, fits_cross_entropy),
        (by_nll_loss, is_hard),
        (by_logsumexp_less_logit, is_hard),
        (by_log_of_chosen, is_hard),
        (by_log_prob, is_hard),
        (by_smoothed_mean, has_labels),
        (by_kl_div_of_targets, None),
    ],
    "distillation": [
        (by_kl_div_of_teacher, is_forward),
        (by_kl_div_of_teacher_probabilities, is_forward),
        (by_cross_entropy_of_teacher, is_forward),
        (by_both_divergences, lambda batch: not is_forward(batch)),
    ],
    "reinforce": [(by_log_prob_and_entropy, None), (by_weighted_cross_entropy, None)],
    "ppo-clip": [(by_log_prob_of_distribution, None)],
    "grpo": [(by_log_prob_of_distribution, None)],
}
"""Other ways to write a loss, and which batches each of them fits."""

SHALLOW = {softmax_and_log.__name__, by_log_of_chosen.__name__}
"""The logarithm of a probability that has underflowed is no right one."""

BESIDE_A_CONSTANT = {
    by_kl_div_of_targets.__name__,
    by_kl_div_of_teacher.__name__,
    by_kl_div_of_teacher_probabilities.__name__,
    by_both_divergences.__name__,
    "by_hand",
}
"""These have the gradient, but not the value."""

LOSSES = list(FORMULAS)

REGIMES = ["ordinary", "near-solved", "solved", "saturated", "offset", "equal"]


def styles(loss, batch):
    """Return the ways to write a loss of this batch: their names, and each as a function of one."""
    found = {
        policy.__name__: lambda b, policy=policy: FORMULAS[loss](b, *policy(b))
        for policy in POLICIES
    }
    found |= {way.__name__: way for way, fits in SPECIAL[loss] if fits is None or fits(batch)}
    return found | {"by_hand": lambda b: by_hand(b, PARTS[loss])}


class Draw:
    """Numbers of a case, in float64: the shape, the logits, and what the loss is given."""

    def __init__(self, r, most, actions=None, loss=None):
        self.r = r
        self.loss = loss or LOSSES[r.integers(len(LOSSES))]
        self.regime = REGIMES[r.integers(len(REGIMES))]
        self.actions = actions or round(2.0 * 2048.0 ** (r.random() ** 1.5))
        self.states = round(max(1.0, min(300.0, most / self.actions)) ** r.random())
        self.rows = np.arange(self.states)
        self.legal = r.random(self.shape) >= r.choice([0.0, 0.0, 0.3, 0.8])
        self.index = r.integers(self.actions, size=self.states)
        self.legal[self.rows, self.index] = True
        self.logits = self.table(-2, 0.8)
        self.noise = 0.0 if self.regime == "solved" else 10.0 ** r.uniform(-6, 0)
        self.given = {}
        getattr(self, f"_{self.loss.replace('-', '_')}")()
        if self.regime == "saturated":
            self.logits[self.rows, r.integers(self.actions, size=self.states)] += 10.0 ** r.uniform(
                0.5, 2
            )
        if self.regime == "offset":
            self.logits = self.logits + r.choice([0.0, 30.0, -300.0, 1000.0])
        if self.regime == "equal":
            self.logits = np.broadcast_to(self.logits[:, :1], self.shape).copy()
        if "clip" in self.given:
            self._nearby()

    @property
    def shape(self):
        return self.states, self.actions

    @property
    def is_near(self):
        return "solved" in self.regime

    def table(self, low=-2, high=2):
        return self.r.normal(size=self.shape) * 10.0 ** self.r.uniform(low, high)

    def near(self, table):
        return table + self.noise * self.r.normal(size=self.shape)

    def number(self, low, high, by_state=True):
        """Return a number, sometimes one for each state."""
        size = 10.0 ** self.r.uniform(low, high)
        if by_state and self.r.random() < 0.2:
            return size * self.r.uniform(0.2, 1.0, size=self.states)
        return float(size)

    def option(self, name, low, high, by_state=True):
        if self.r.random() < 0.5:
            self.given[name] = self.number(low, high, by_state)
        return self.given.get(name, 0.0)

    def column(self, number):
        return np.asarray(number)[..., None]

    def _sac(self):
        self.given["alpha"] = self.number(-3, 0.7)
        self._q(self.given["alpha"])

    def _policy_gradient(self):
        self._q(0.0)

    def _q(self, alpha):
        q = self.near(self.logits * self.column(alpha)) if self.is_near else self.table()
        self.given["q"] = q + self.r.choice([0.0, 0.0, 10.0, 1000.0])

    def _entropy(self):
        self.given["coef"] = self.number(-3, 1)
        if self.is_near:
            self.logits = self.near(np.zeros(self.shape))

    def _reference(self, names):
        logits = self.near(self.logits) if self.is_near else self.table(-2, 0.5)
        name = names[self.r.integers(2)]
        self.given[name] = normalised(logits, self.legal) if "probs" in name else logits

    def _reverse_kl(self):
        self.given["beta"] = self.number(-3, 1)
        self._reference(("ref_log_probs", "ref_logits"))

    def _kl_regularised(self):
        self.given["beta"] = self.number(-3, 1)
        self._reference(("ref_log_probs", "ref_logits"))
        self._q(self.option("alpha", -3, 0.7))

    def _cross_entropy(self):
        if self.r.random() < 0.7:
            self.given["labels"] = self.index
            if self.is_near:
                self.logits[self.rows, self.index] += self.r.uniform(5, 25)
        else:
            teacher = self.near(self.logits) if self.is_near else self.table(-1, 0.5)
            self.given["targets"] = np.exp(normalised(teacher, self.legal))
        self.option("label_smoothing", -2, -0.1)
        self.option("z_coef", -5, 0)
        if self.r.random() < 0.2:
            self.logits = self.logits - normaliser(self.logits, self.legal)

    def _distillation(self):
        self._reference(("teacher_log_probs", "teacher_logits"))
        self.option("temperature", -0.5, 0.7)
        self.option("beta", -2, -0.1)
        if "beta" not in self.given and self.r.random() < 0.2:
            self._truncate(
                "teacher_logits" if "teacher_logits" in self.given else "teacher_log_probs"
            )

    def _truncate(self, name):
        """Leave the teacher's likeliest actions alone, and -inf elsewhere."""
        table = np.where(self.legal, self.given[name], -np.inf)
        kept = table >= np.sort(table, -1)[:, -max(1, self.actions // 2), None]
        self.given[name] = np.where(kept | ~self.legal, self.given[name], -np.inf)

    def _reinforce(self):
        self.given["actions"] = self.index
        self.given["advantages"] = self.r.normal(size=self.states) * 10.0 ** self.r.uniform(-2, 2)
        self.option("entropy_coef", -3, 0)
        if self.is_near:
            self.logits[self.rows, self.index] += self.r.uniform(5, 25)

    def _ppo_clip(self):
        self._reinforce()
        self.given["clip"] = self.number(-1, -0.3)

    def _grpo(self):
        self._ppo_clip()
        self.given["beta"] = self.number(-3, 0)

    def _nearby(self):
        """Take another policy, or two, near this one at the action taken, sometimes the same."""
        taken = normalised(self.logits, self.legal)[self.rows, self.index]
        for name in ["old_log_probs", "ref_log_probs"][: 1 + ("beta" in self.given)]:
            apart = self.r.normal(size=self.states) * 10.0 ** self.r.uniform(-2, 0)
            self.given[name] = taken + apart * (self.r.random(self.states) < 0.8)


def normaliser(logits, legal):
    """Return the logsumexp of the legal logits, a column."""
    logits = np.where(legal, logits, -np.inf)
    highest = logits.max(-1, keepdims=True)
    return highest + np.log(np.exp(logits - highest).sum(-1, keepdims=True))


def normalised(logits, legal):
    """Return the logarithms of a softmax, and a large negative number at masked actions."""
    return np.where(legal, logits - normaliser(logits, legal), ILLEGAL)


def tensors(given, dtype, stored=None):
    """Return what a loss is given as its code has it: numbers of states are columns.

    Tables may have been `stored` in another type.
    """
    made = {}
    for name, value in given.items():
        array = np.asarray(value)
        if array.dtype.kind == "i":
            made[name] = torch.tensor(array)
        else:
            tensor = torch.tensor(array, dtype=dtype)
            table = tensor.to(stored or dtype).to(dtype)
            made[name] = {0: value, 1: tensor[..., None], 2: table}[array.ndim]
    return made


def drawn(number, most=MOST, actions=None, loss=None):
    """Draw a right gradient of at most so many entries; every 250th has 32,000 actions."""
    r = np.random.default_rng([17, number])
    draw = Draw(r, most, 32_000 if actions is None and number % 250 == 249 else actions, loss)
    arithmetic = ARITHMETICS[r.integers(len(ARITHMETICS))]
    stored, computed = arithmetic.dtypes
    has = tensors(draw.given, computed, stored if r.random() < 0.5 else None)
    legal = torch.tensor(draw.legal)
    ways = styles(draw.loss, Batch(lambda: legal.to(computed), legal, has))
    if computed is torch.float16:
        del ways[less_maximum.__name__]  # pi / Z in its backward pass is subnormal
    style = list(ways)[r.integers(len(ways))]
    if style in SHALLOW:
        room = -log(torch.finfo(computed).eps) - log(draw.actions)
        highest = np.where(draw.legal, draw.logits, -np.inf).max(-1, keepdims=True)
        # The softmax is of the logits over the temperature.
        temperature = np.reshape(draw.given.get("temperature", 1.0), (-1, 1))
        draw.logits = np.maximum(draw.logits, highest - temperature * (room - 1.0))
    leaf = torch.tensor(draw.logits, dtype=stored, requires_grad=True)
    upcast = leaf.to(computed)
    read = (lambda: leaf.to(computed)) if arithmetic.anew else (lambda: upcast)
    made = ways[style](Batch(read, legal, has))
    given = {name: _given(value) for name, value in has.items()}
    given |= {"loss": draw.loss, "logits": leaf}
    weights = _weights(draw, given, computed)
    reduction = str(r.choice(["sum", "mean", "mean-all", "weighted-mean"]))
    if reduction == "weighted-mean" and (weights is None or not weights.sum()):
        reduction = "mean"
    given |= _reduced(made, leaf, weights, reduction)
    if style in BESIDE_A_CONSTANT or r.random() < 0.7:
        given.pop("loss_value", None)
    if not draw.legal.all():
        given["mask"] = draw.legal
        if r.random() < 0.2:
            _spoil(given, ~legal)
    if stored is not computed:
        given["compute_dtype"] = str(computed).removeprefix("torch.")
    if draw.states % 2 == 0 and r.random() < 0.2:
        given = {name: _folded(value, draw.states) for name, value in given.items()}
    shape = f"{draw.states} x {draw.actions}"
    taken = sorted(given.keys() - {"loss", "logits", "grad", "reduction", "compute_dtype"})
    how = [draw.loss, arithmetic.name, style, draw.regime, shape, reduction, *taken]
    return Drawn(", ".join(how), given, bool(torch.isfinite(given["grad"]).all()))


def _given(value):
    """Return what a case holds of a number: its column is one number for each state."""
    is_column = torch.is_tensor(value) and value.ndim == 2 and value.shape[1] == 1
    return value.squeeze(-1) if is_column else value


def _weights(draw, given, computed):
    """Return the weights of the states, some 0, and leave labels out; None without any."""
    r, weights = draw.r, None
    if r.random() < 0.25:
        weights = torch.tensor(r.random(draw.states), dtype=computed)
        if r.random() < 0.5:
            weights[torch.tensor(r.random(draw.states) < 0.3)] = 0.0
        given["weights"] = weights
    if "labels" in given and r.random() < 0.3:
        left_out = torch.tensor(r.random(draw.states) < 0.3)
        left_out[r.integers(draw.states)] = False
        given["labels"] = torch.where(left_out, -100, given["labels"])
        given["ignore_index"] = -100
        weights = torch.ones(draw.states, dtype=computed) if weights is None else weights
        weights = torch.where(left_out, torch.zeros_like(weights), weights)
    return weights


def _reduced(made, leaf, weights, reduction):
    """Return the gradient of the reduced loss, with its value where the code has one."""
    states, actions = leaf.shape
    by_hand = made.ndim == 2
    if weights is not None:
        made = made * (weights[:, None] if by_hand else weights)
    number = {
        "sum": 1,
        "mean": states,
        "mean-all": states * actions,
        "weighted-mean": 1 if weights is None else weights.sum(),
    }[reduction]
    if by_hand:
        return {"grad": (made / number).to(leaf.dtype), "reduction": reduction}
    loss = made.sum() / number
    loss.backward()
    return {
        "grad": leaf.grad,
        "reduction": reduction,
        **({"loss_value": loss.detach()} if torch.isfinite(loss) else {}),
    }


def _spoil(given, masked):
    """Write NaN at masked actions, as dumps have it."""
    for name, value in given.items():
        if torch.is_tensor(value) and value.shape == masked.shape and name != "grad":
            given[name] = value.detach().masked_fill(masked, float("nan"))


def _folded(value, states):
    """Return an array of states in two dimensions of them."""
    is_array = hasattr(value, "shape") and value.shape[:1] == (states,)
    return value.reshape(2, states // 2, *value.shape[1:]) if is_array else value


def main(count=10_000, seed=0):
    counts = Counter()
    for number in range(seed, seed + count):
        made = drawn(number)
        loss, arithmetic = made.how.split(", ")[:2]
        if not made.is_finite:
            counts[f"not finite: no right gradient, {loss} {arithmetic}"] += 1
            continue
        try:
            status, said = verdict(made)
        except Exception as error:
            print(f"{number}: {made.how}: {type(error).__name__}: {error}", flush=True)
            counts[f"failed by {type(error).__name__}, {loss}"] += 1
            continue
        if status is Status.FAILED:
            print(f"{number}: {made.how}: {said}", flush=True)
        because = [line.split()[0] for line in said if "inconclusive" in line]
        counts[f"{status.value} {loss} {arithmetic} {' '.join(because)}"] += 1
    for what, times in sorted(counts.items()):
        print(f"{times:6} {what}")
    return any(what.startswith("failed") for what in counts)


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
