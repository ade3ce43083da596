"""Packages from three roots; all other metadata is in setup.cfg."""

from setuptools import find_packages, setup

setup(
    packages=[
        *find_packages(include=["glass_plan", "glass_plan.*"]),
        *find_packages("envs"),
        "glass_plan_checkpoints",  # data only: NAME/{config.json, model.safetensors, README.md}
    ],
)
