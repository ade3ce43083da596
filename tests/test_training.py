"""Training: the loss is the flow-matching loss, it falls, and it resumes to the bit."""

from __future__ import annotations

import msgspec
import pytest
import torch

from glass_plan import training
from glass_plan.checkpoint import build_prior
from glass_plan.errors import CheckpointError
from glass_plan.training import TrainConfig, Trainer, train
from tests import tiny

QUICK = TrainConfig(steps=30, batch=8, warmup=5, save_every=10, log_every=10)


def finish(trainer, folder, stop_at=None):
    return list(train(trainer, folder, stop_at=stop_at))


@pytest.mark.parametrize("config", [tiny.CONFIG, tiny.ARM], ids=["maze", "arm"])
def test_a_killed_and_resumed_run_gives_the_same_weights(config, tmp_path):
    whole = Trainer(config, tiny.windows(config), QUICK)
    assert finish(whole, tmp_path / "whole") == [10, 20, 30]
    killed = Trainer(config, tiny.windows(config), QUICK)
    finish(killed, tmp_path / "killed", stop_at=10)
    for _ in range(4):  # lost with the process: steps after the last save
        killed.train_step()
    resumed = Trainer(config, tiny.windows(config), QUICK)
    finish(resumed, tmp_path / "killed")
    for key, value in whole.averaged.state_dict().items():
        assert torch.equal(value, resumed.averaged.state_dict()[key]), key
    for key, value in whole.prior.state_dict().items():
        assert torch.equal(value, resumed.prior.state_dict()[key]), key


def test_the_seed_decides_the_weights():
    first, second, other = (
        Trainer(tiny.CONFIG, tiny.windows(), TrainConfig(steps=5, batch=4, seed=seed))
        for seed in (0, 0, 1)
    )
    assert first.train_step() == second.train_step()
    assert first.train_step() != other.train_step()


@pytest.mark.parametrize(
    ("of", "net", "width", "depth"),
    [(tiny.CONFIG, "mlp", 32, 2), (tiny.CONFIG, "unet", 8, 2), (tiny.ARM, "mlp", 32, 2)],
    ids=["mlp", "unet", "arm"],
)
def test_the_loss_falls(of, net, width, depth):
    config = msgspec.structs.replace(of, net=net, width=width, depth=depth)
    how = TrainConfig(steps=200, batch=32, warmup=5, learning_rate=3e-3)
    trainer = Trainer(config, tiny.windows(config), how)
    losses = [trainer.train_step() for _ in range(80)]
    assert sum(losses[-10:]) < 0.6 * sum(losses[:10])


def test_a_perfect_denoiser_has_no_loss():
    prior = build_prior(tiny.CONFIG)
    x_1 = torch.randn(4, *prior.shape)

    class Perfect(torch.nn.Module):
        def forward(self, x_t, t, pinned):
            return x_1

    prior.net = Perfect()
    assert training.flow_matching_loss(prior, x_1, torch.Generator().manual_seed(0)) == 0


def test_pinned_entries_carry_no_loss():
    prior = build_prior(tiny.CONFIG)
    x_1 = torch.zeros(4, *prior.shape)

    class Wrong(torch.nn.Module):
        def forward(self, x_t, t, pinned):
            out = x_1.clone()
            out[:, 0, :4] = 7.0
            out[:, -1, :2] = 7.0
            return out

    prior.net = Wrong()
    assert training.flow_matching_loss(prior, x_1, torch.Generator().manual_seed(0)) == 0


def test_the_state_of_another_model_is_refused(tmp_path):
    finish(Trainer(tiny.CONFIG, tiny.windows(), QUICK), tmp_path, stop_at=10)
    wider = msgspec.structs.replace(tiny.CONFIG, width=24)
    with pytest.raises(CheckpointError, match="another model"):
        finish(Trainer(wider, tiny.windows(), QUICK), tmp_path)
