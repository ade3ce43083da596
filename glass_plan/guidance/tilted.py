"""The tilted denoiser from posterior samples: no gradient of the reward, none of the network.

    D^r_t(x) = E[x_1 exp r(x_1) | x] / E[exp r(x_1) | x] ~ sum_j softmax_j(r(z_j)) z_j,
    z_j ~ p(x_1 | x_t = x),                                                                     (3)

and grad V_t = (alpha / sigma^2) (D^r - D). Consistent; with few samples it is drawn towards D.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from glass_plan.kernels import Posterior
from glass_plan.kernels.value import Potential
from glass_plan.smc import shares


@dataclass(frozen=True)
class TiltedGuide:
    """Aims at the reward-weighted mean of posterior samples.

    Args:
        reward: log-potential of clean samples.
        posterior: the sampler; each sample costs ``inner_steps - 1`` rows.
        y_0: (K, ...) standard normal noise of one particle's K samples, the same for all: the
            guide is a function of x alone, as a proposal's mean has to be.
    """

    reward: Potential
    posterior: Posterior
    y_0: Float[Tensor, "K ..."]

    def __call__(
        self, x_t: Float[Tensor, "N ..."], t: float, x_1_hat: Float[Tensor, "N ..."]
    ) -> Float[Tensor, "N ..."]:
        if t >= 1.0:
            return x_1_hat
        y_0 = self.y_0[:, None].expand(-1, *x_t.shape).to(x_t)
        z = self.posterior.sample(x_t, t, x_1_hat, y_0)  # (K, N, ...)
        reward = self.reward(z.flatten(0, 1)).reshape(z.shape[:2])
        share = shares(reward.T).T.to(z)
        return torch.einsum("kn,kn...->n...", share, z)
