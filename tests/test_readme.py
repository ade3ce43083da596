"""The README's Python runs as written, and its specs load."""

from __future__ import annotations

import re

from tests.pages import python_blocks, run_block


def test_python_blocks_of_the_readme_run(repository, capsys):
    blocks = python_blocks(repository / "README.md")
    assert blocks
    for block in blocks:
        run_block(repository / "README.md", block, {})
    assert "success" in capsys.readouterr().out


def test_every_file_that_the_readme_names_exists(repository):
    text = (repository / "README.md").read_text()
    names = re.findall(r"(?:experiments|checkpoints|envs)/[\w/*.]*\w", text)
    assert names
    for name in names:
        assert list(repository.glob(name)), name
