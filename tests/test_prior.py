"""The prior: requests side by side are answered as each alone."""

from __future__ import annotations

import torch

from glass_plan.checkpoint import build_prior
from glass_plan.prior import ConditionedPrior
from tests.tiny import CONFIG


def test_requests_side_by_side_are_answered_as_each_alone():
    torch.manual_seed(0)
    prior = build_prior(CONFIG)
    alone = [
        prior.condition(torch.tensor([x, 0.0, 0.0, 0.0]), torch.tensor([0.0, x]))
        for x in (-1.0, 1.0)
    ]
    together = ConditionedPrior(prior, torch.cat([one.pinned for one in alone]))
    x_t = torch.randn(6, *prior.shape)  # three rows each, request after request
    found = together(x_t, 0.3)
    for k, one in enumerate(alone):
        assert torch.allclose(found[k::2], one(x_t[k::2], 0.3), atol=1e-6)
    assert (together.count.rows, together.count.calls) == (6, 1)
