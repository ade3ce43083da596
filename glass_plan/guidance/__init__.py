"""Guidance: what bends the denoised end point towards the reward."""

from glass_plan.guidance.trajectory import TrajectoryProx, smoothing_kernel, with_positions

__all__ = ["TrajectoryProx", "smoothing_kernel", "with_positions"]
