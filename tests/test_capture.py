"""Capturing a PyTorch step: what real discrete SAC code does, and what must not pass in silence."""

import gc
import weakref
from types import SimpleNamespace

import ml_dtypes
import numpy as np
import pytest
import torch
from torch import nn

import softcheck
from softcheck.errors import InputError, UsageError
from softcheck.tables.case import open_case

STATES, FEATURES, ACTIONS, ALPHA = 16, 6, 4, 0.25


def network():
    return nn.Sequential(nn.Linear(FEATURES, 12), nn.ReLU(), nn.Linear(12, ACTIONS))


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(3)


@pytest.fixture
def nets():
    return network(), network(), network()


@pytest.fixture
def observations():
    return torch.randn(STATES, FEATURES)


def policy_loss(logits, q, alpha=ALPHA):
    log_pi = torch.log_softmax(logits, -1)
    return (log_pi.exp() * (alpha * log_pi - q)).sum(-1).mean()


def minimum(qf1, qf2, observations):
    with torch.no_grad():
        return torch.minimum(qf1(observations), qf2(observations))


def passes(captured, **options):
    softcheck.assert_gradient(**captured.arrays, **{"reduction": "mean"} | options)


def hooks_of(*modules):
    return [module for net in modules for module in net.modules() if module._forward_hooks]


# A step is what it was.


def train(capturing):
    """Return the parameters after three steps, and the last step's dump."""
    torch.manual_seed(11)
    actor, qf1, qf2 = network(), network(), network()
    actor.insert(2, nn.Dropout(0.1))
    optimizer = torch.optim.Adam(actor.parameters(), lr=1e-2)
    captured = None
    for _ in range(3):
        observations = torch.randn(STATES, FEATURES)

        def step(observations=observations):
            optimizer.zero_grad()
            policy_loss(actor(observations), minimum(qf1, qf2, observations)).backward()
            optimizer.step()

        if capturing:
            with softcheck.capture(actor=actor, critics=(qf1, qf2), alpha=ALPHA) as captured:
                step()
        else:
            step()
    assert hooks_of(actor, qf1, qf2) == []
    return [*actor.parameters(), *qf1.parameters(), torch.rand(3)], captured


def test_parameters_after_a_step_are_the_same_bits_and_so_is_the_random_state():
    plain, _ = train(capturing=False)
    seen, captured = train(capturing=True)
    assert len(plain) == len(seen)
    for one, other in zip(plain, seen, strict=True):
        assert one.detach().numpy().tobytes() == other.detach().numpy().tobytes()
    passes(captured)


def test_nothing_of_the_step_is_kept_alive(nets, observations):
    actor, qf1, qf2 = nets
    with softcheck.capture(actor=actor, critics=(qf1, qf2), alpha=ALPHA) as captured:
        logits = actor(observations)
        policy_loss(logits, minimum(qf1, qf2, observations)).backward()
    gone = weakref.ref(logits)
    del logits
    gc.collect()
    assert gone() is None
    assert all(type(array) is np.ndarray for array in captured.arrays["q"])


def test_the_steps_tensors_are_as_they_were_after_it(nets, observations):
    actor, qf1, _ = nets
    with softcheck.capture(actor=actor, critics=qf1, alpha=ALPHA) as captured:
        logits = actor(observations)
        loss = policy_loss(logits, qf1(observations).detach())
        loss.backward(retain_graph=True)
    before = captured.arrays["grad"].copy()
    (3 * loss).backward()
    np.testing.assert_array_equal(captured.arrays["grad"], before)
    assert not logits._backward_hooks


def test_what_the_step_overwrites_is_recorded_as_it_was():
    theta = nn.Parameter(torch.randn(STATES, ACTIONS))
    critic = nn.Linear(ACTIONS, ACTIONS)
    with softcheck.capture(critics=critic, alpha=ALPHA) as captured:
        captured.record(logits=theta)
        theta.register_hook(lambda grad: grad.zero_())
        with torch.no_grad():
            q = critic(torch.eye(ACTIONS).repeat(STATES // ACTIONS, 1))
        policy_loss(theta, q).backward()
        q.zero_()
        theta.data.zero_()
    passes(captured)


def test_a_block_around_many_steps_keeps_the_tensors_of_one(nets, observations):
    actor, qf1, qf2 = nets
    counts = []

    def steps():
        for step in range(12):
            policy_loss(actor(observations), minimum(qf1, qf2, observations)).backward()
            if step in (1, 11):
                kept = [
                    thing for thing in gc.get_objects() if issubclass(type(thing), torch.Tensor)
                ]
                counts.append(len(kept))

    capturing = softcheck.capture(actor=actor, critics=(qf1, qf2), alpha=ALPHA)
    with pytest.raises(UsageError, match=r"forward passes 1, 2, 3, .* of 12"), capturing:
        steps()
    assert counts[0] == counts[1]


# Code as people write it.


class CleanActor(nn.Module):
    """As in CleanRL: the network returns logits, and a method samples."""

    def __init__(self):
        super().__init__()
        self.conv, self.fc_logits = nn.Linear(FEATURES, 12), nn.Linear(12, ACTIONS)

    def forward(self, x):
        return self.fc_logits(torch.relu(self.conv(x)))

    def get_action(self, x):
        logits = self(x)
        policy = torch.distributions.Categorical(logits=logits)
        return policy.sample(), torch.log_softmax(logits, 1), policy.probs


def clean_update(actor, qf1, qf2, observations, alpha, reduce):
    """The update of the actor with what stands before and after it."""
    with torch.no_grad():
        actor.get_action(observations + 1.0)  # next states, for the target
    _, log_pi, probabilities = actor.get_action(observations)
    q = minimum(qf1, qf2, observations)
    reduce(probabilities * (alpha * log_pi - q)).backward()
    with torch.no_grad():  # alpha's loss
        actor.get_action(observations)
        minimum(qf1, qf2, observations + 2.0)


def test_a_cleanrl_step_and_its_mean_over_actions_too(nets, observations):
    actor, (_, qf1, qf2) = CleanActor(), nets
    arguments = {"actor": actor, "critics": [qf1, qf2], "alpha": ALPHA}
    with softcheck.capture(**arguments) as captured:
        clean_update(actor, qf1, qf2, observations, ALPHA, torch.mean)
    passes(captured, reduction="mean-all")
    with pytest.raises(AssertionError, match="the mean over states and actions was taken"):
        passes(captured)
    with softcheck.capture(**arguments | {"actor": actor.fc_logits}) as by_layer:
        clean_update(actor, qf1, qf2, observations, ALPHA, torch.mean)
    np.testing.assert_array_equal(by_layer.arrays["grad"], captured.arrays["grad"])


class TupleActor(nn.Module):
    """As in Tianshou: logits and the state of a recurrent network."""

    def __init__(self):
        super().__init__()
        self.last = network()

    def forward(self, x, state=None):
        return self.last(x), state


def test_a_tianshou_step(nets, observations):
    actor, (_, critic, critic2) = TupleActor(), nets
    with softcheck.capture(
        actor=actor, critics=(critic, critic2), alpha=ALPHA, logits_of=lambda output: output[0]
    ) as captured:
        logits, _ = actor(observations)
        policy = torch.distributions.Categorical(logits=logits)
        q = minimum(critic, critic2, observations)
        loss = -(ALPHA * policy.entropy() + (policy.probs * q).sum(dim=-1)).mean()
        loss.backward()
    passes(captured)


def test_critics_with_a_graph_that_the_loss_does_not_detach(nets, observations):
    actor, qf1, qf2 = nets
    with softcheck.capture(actor=actor, critics=nn.ModuleList([qf1, qf2]), alpha=ALPHA) as captured:
        q = torch.min(qf1(observations), qf2(observations))
        policy_loss(actor(observations), q).backward()
    passes(captured)


def test_one_network_for_actor_and_twin_critics(observations):
    trunk = nn.Linear(FEATURES, 3 * ACTIONS)
    with softcheck.capture(
        critics=trunk, alpha=ALPHA, q_of=lambda output: output.split(ACTIONS, -1)[1:]
    ) as captured:
        logits, *critics = trunk(observations).split(ACTIONS, -1)
        captured.record(logits=logits)
        policy_loss(logits, torch.minimum(*critics).detach()).backward()
    assert len(captured.arrays["q"]) == 2
    passes(captured)


def test_a_table_of_logits_with_loss_and_weights():
    theta = nn.Parameter(torch.randn(STATES, ACTIONS, dtype=torch.float64))
    q, weights = torch.randn(STATES, ACTIONS, dtype=torch.float64), torch.rand(STATES)
    with softcheck.capture(log_alpha=np.log(ALPHA), weights=weights) as captured:
        captured.record(logits=theta, q=q)
        log_pi = torch.log_softmax(theta, -1)
        loss = (weights * (log_pi.exp() * (ALPHA * log_pi - q)).sum(-1)).mean()
        captured.record(loss=loss, policy=log_pi.exp())
        (grad,) = torch.autograd.grad(loss, theta)
    np.testing.assert_array_equal(captured.arrays["grad"], grad)
    passes(captured)


def test_what_is_given_is_taken_as_it_is_on_entry(nets, observations):
    actor, qf1, _ = nets
    alpha, mask = torch.tensor(ALPHA, dtype=torch.float64), torch.ones(STATES, ACTIONS).bool()
    mask[:, 0] = False
    with softcheck.capture(actor=actor, critics=qf1, alpha=alpha, mask=mask) as captured:
        logits = actor(observations)
        logits[~mask] = -1e8  # in place, after the module returned them
        policy_loss(logits, qf1(observations).detach()).backward()
        alpha.zero_()
        mask.zero_()
        actor.zero_grad()
    assert np.abs(captured.arrays["logits"]).max() < 1e6
    passes(captured)


def test_the_gradient_at_log_pi_is_named(nets, observations):
    actor, qf1, _ = nets
    with (
        softcheck.capture(actor=actor, critics=qf1, alpha=ALPHA) as right,
        softcheck.capture(critics=qf1, alpha=ALPHA) as wrong,
    ):
        policy = torch.distributions.Categorical(logits=actor(observations))
        wrong.record(logits=policy.logits)
        policy_loss_of(policy, qf1(observations).detach()).backward()
    passes(right)
    with pytest.raises(AssertionError, match="the gradient was taken at log pi, not at the logits"):
        passes(wrong)


def policy_loss_of(policy, q):
    return (policy.logits.exp() * (ALPHA * policy.logits - q)).sum(-1).mean()


# Precision.


def test_autocast_and_a_grad_scaler(tmp_path, nets, observations):
    actor, qf1, qf2 = nets
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**16)
    arguments = {"actor": actor, "critics": (qf1, qf2), "alpha": ALPHA}
    path = tmp_path / "step.safetensors"

    def step():
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = policy_loss(actor(observations), minimum(qf1, qf2, observations))
        scaler.scale(loss).backward()

    weights = torch.full((STATES,), scaler.get_scale())
    with softcheck.capture(**arguments, weights=weights, path=path) as captured:
        step()
    assert captured.arrays["grad"].dtype == ml_dtypes.bfloat16
    passes(captured)
    kept = open_case(str(path), {}).given
    assert kept["grad"].whole().tobytes() == captured.arrays["grad"].tobytes()
    with softcheck.capture(**arguments) as unsaid:
        step()
    with pytest.raises(AssertionError, match="scale fitted 655"):
        passes(unsaid)
    with (
        pytest.raises(InputError, match=r"bfloat16.*\.safetensors"),
        softcheck.capture(**arguments, path=tmp_path / "step.npz"),
    ):
        step()
    assert not (tmp_path / "step.npz").exists()


# Compiled modules.


@pytest.fixture
def compiled():
    """Compile without a C compiler: what softcheck sees of a module does not depend on it."""
    torch.compiler.reset()
    yield lambda module: torch.compile(module, backend="aot_eager")
    torch.compiler.reset()


def test_a_compiled_actor_is_named_by_what_compile_returned(nets, observations, compiled):
    actor, qf1, qf2 = nets
    fast = compiled(actor)
    for _ in range(2):
        with softcheck.capture(actor=fast, critics=(qf1, qf2), alpha=ALPHA) as captured:
            policy_loss(fast(observations), minimum(qf1, qf2, observations)).backward()
        passes(captured)


def test_the_module_within_a_compiled_one_is_never_captured_in_silence(
    nets, observations, compiled
):
    actor, qf1, qf2 = nets
    fast = compiled(actor)
    fast(observations)
    with (
        pytest.raises(UsageError, match=r"no logits.*what torch\.compile returned"),
        softcheck.capture(actor=actor, critics=(qf1, qf2), alpha=ALPHA),
    ):
        policy_loss(fast(observations), minimum(qf1, qf2, observations)).backward()


# What leaves open which arrays belong together.


def nothing(its):
    pass


def past_the_hooks(its):
    policy_loss(its.actor.forward(its.x), its.qf1(its.x).detach()).backward()


def without_a_graph(its):
    with torch.no_grad():
        policy_loss(its.actor(its.x), its.qf1(its.x))


def without_backward(its):
    policy_loss(its.actor(its.x), its.qf1(its.x).detach())


def detached(its):
    other = its.actor(its.x).detach() * nn.Parameter(torch.ones(()))
    policy_loss(other, its.qf1(its.x).detach()).backward()


def two_passes(its):
    q = its.qf1(its.x).detach()
    with torch.no_grad():
        its.actor(its.x)
    (policy_loss(its.actor(its.x), q) + policy_loss(its.actor(its.x + 1), q)).backward()


def two_micro_batches(its):
    for part in its.x.chunk(2):
        policy_loss(its.actor(part), its.qf1(part).detach()).backward()


def twice_through_one(its):
    logits = its.actor(its.x)
    policy_loss(logits, its.qf1(its.x).detach()).backward(retain_graph=True)
    (-ALPHA * logits.mean()).backward()


def critic_trained_in_the_block(its):
    optimizer = torch.optim.SGD(its.qf1.parameters(), lr=0.1)
    its.qf1(its.x).square().mean().backward()
    optimizer.step()
    policy_loss(its.actor(its.x), its.qf1(its.x).detach()).backward()


def no_critic(its):
    policy_loss(its.actor(its.x), torch.ones(STATES, ACTIONS)).backward()
    its.qf1(its.x)


def logits_recorded_too(its):
    its.captured.record(logits=its.actor(its.x))


def q_recorded_too(its):
    its.captured.record(q=its.qf1(its.x))


def mask_recorded_twice(its):
    its.captured.record(mask=torch.ones(STATES, ACTIONS, dtype=torch.bool))
    its.captured.record(mask=torch.ones(STATES, ACTIONS, dtype=torch.bool))


def arrays_too_early(its):
    policy_loss(its.actor(its.x), its.qf1(its.x).detach()).backward()
    softcheck.assert_gradient(**its.captured.arrays)


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (nothing, "no logits, expected a forward pass of the actor"),
        (past_the_hooks, r"no logits.*not its \.forward"),
        (without_a_graph, "logits without a graph"),
        (without_backward, "no backward pass to the logits"),
        (detached, "no backward pass to the logits"),
        (two_passes, "gradients at the logits of forward passes 2, 3 of 3"),
        (two_micro_batches, "gradients at the logits of forward passes 1, 2 of 2"),
        (twice_through_one, "2 backward passes to the logits"),
        (critic_trained_in_the_block, "2 outputs of critic 1, not all the same"),
        (no_critic, "no output of critic 1"),
        (logits_recorded_too, r"record\(logits=...\): found logits for a second time"),
        (q_recorded_too, r"record\(q=...\): found q for a second time"),
        (mask_recorded_twice, r"record\(mask=...\): found mask for a second time"),
        (arrays_too_early, "a with block that has not ended"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_is_left_open_is_an_error_and_nothing_is_written(
    tmp_path, nets, observations, step, said
):
    actor, qf1, _ = nets
    path = tmp_path / "step.npz"
    with (
        pytest.raises(UsageError, match=said),
        softcheck.capture(actor=actor, critics=qf1, alpha=ALPHA, path=path) as captured,
    ):
        step(SimpleNamespace(actor=actor, qf1=qf1, x=observations, captured=captured))
    assert [*tmp_path.iterdir()] == []
    assert hooks_of(actor, qf1) == []


def recorded(logits, **more):
    """Capture the step of a leaf with these values, whatever it does with them."""
    leaf = logits.detach().requires_grad_()
    with softcheck.capture(alpha=ALPHA, **more) as captured:
        captured.record(logits=leaf, q=torch.zeros_like(leaf))
        leaf.square().sum().backward()
    return captured.arrays["logits"]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("actions", [2, 18, 1000])
def test_probabilities_are_not_taken_for_logits(dtype, actions, tmp_path):
    for size in (0.0, 1.0, 30.0):
        policy = torch.softmax((size * torch.randn(64, actions)).to(dtype), -1)
        with pytest.raises(UsageError, match=r"found probabilities for logits.*before the softmax"):
            recorded(policy, path=tmp_path / "step.npz")
    assert [*tmp_path.iterdir()] == []


def test_an_actor_that_ends_in_a_softmax_is_told_so(nets, observations):
    actor, qf1, _ = nets
    whole = nn.Sequential(actor, nn.Softmax(-1))

    def step():
        policy = whole(observations)
        (policy * (ALPHA * policy.log() - qf1(observations).detach())).sum(-1).mean().backward()

    with (
        pytest.raises(UsageError, match="Name the layer before the softmax"),
        softcheck.capture(actor=whole, critics=qf1, alpha=ALPHA),
    ):
        step()


def test_logits_that_are_nearly_probabilities_are_logits():
    policy = torch.softmax(torch.randn(8, 4), -1)
    for change in (1e-5, -1.0):
        logits = policy.clone()
        logits[5, 2] += change
        np.testing.assert_array_equal(recorded(logits), logits.numpy())
    shifted = policy + torch.tensor([[1.0, -1.0, 0.0, 0.0]])
    np.testing.assert_array_equal(recorded(shifted), shifted.numpy())
    assert recorded(torch.ones(8, 1)).shape == (8, 1)


def test_an_error_of_the_step_is_the_steps_own(tmp_path, nets, observations):
    actor, qf1, _ = nets
    path = tmp_path / "step.npz"
    capturing = softcheck.capture(actor=actor, critics=qf1, alpha=ALPHA, path=path)
    with pytest.raises(ZeroDivisionError), capturing as captured:
        policy_loss(actor(observations), qf1(observations).detach() / (1 // 0)).backward()
    assert [*tmp_path.iterdir()] == []
    assert hooks_of(actor, qf1) == []
    with pytest.raises(UsageError, match="has not ended"):
        softcheck.assert_gradient(**captured.arrays)


def test_a_critic_may_run_again_if_it_says_the_same(nets, observations):
    actor, qf1, qf2 = nets
    with softcheck.capture(actor=actor, critics=(qf1, qf2), alpha=ALPHA) as captured:
        qf1(observations)
        policy_loss(actor(observations), minimum(qf1, qf2, observations)).backward()
    passes(captured)


def test_a_slice_that_the_loss_does_not_use_gets_no_gradient(nets, observations):
    actor, qf1, _ = nets
    capturing = softcheck.capture(
        actor=actor, critics=qf1, alpha=ALPHA, mask=None, logits_of=lambda output: output[:, :]
    )
    with pytest.raises(UsageError, match=r"no backward pass.*not of a copy"), capturing:
        policy_loss(actor(observations), qf1(observations).detach()).backward()


def test_a_tuple_is_not_guessed_at(nets, observations):
    actor, (_, qf1, _) = TupleActor(), nets
    with (
        pytest.raises(UsageError, match=r"logits: found a tuple.*logits_of="),
        softcheck.capture(actor=actor, critics=qf1, alpha=ALPHA),
    ):
        actor(observations)
    with (
        pytest.raises(UsageError, match=r"q: found a tuple.*q_of="),
        softcheck.capture(critics=actor, alpha=ALPHA),
    ):
        actor(observations)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"actor": lambda x: x}, "actor: found a function, expected a torch.nn.Module"),
        ({"critics": [network(), 3]}, "critics: found a int"),
        ({"alpha": None}, "capture: found no alpha"),
        ({"log_alpha": "warm"}, "log_alpha: found text"),
    ],
)
def test_wrong_arguments_are_refused_on_entry(arguments, said):
    with (
        pytest.raises((UsageError, InputError), match=said),
        softcheck.capture(**{"alpha": ALPHA} | arguments),
    ):
        pytest.fail("the block was entered")


def test_without_torch_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "torch.nn", None)
    with pytest.raises(InputError, match=r"softcheck\[torch\]"), softcheck.capture(alpha=ALPHA):
        pytest.fail("the block was entered")
