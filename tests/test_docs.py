"""The documents keep to the code: their Python runs, their links and names lead somewhere."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest

from glass_plan.methods import METHODS
from tests.pages import code_spans, prose, python_blocks, relative_links, run_block

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted((ROOT / "docs").rglob("*.md"))
READ_FIRST = [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
SOURCES = [ROOT / "glass_plan", ROOT / "envs" / "glass_envs"]
EQUATIONS = {
    "paths.md": ["schedules.py"],
    "ode.md": ["kernels/ode.py"],
    "sde.md": ["kernels/sde.py"],
    "glass.md": ["kernels/inner.py", "kernels/glass.py"],
    "feynman_kac.md": ["kernels/feynman_kac.py", "kernels/value.py", "smc.py"],
    "guidance.md": [
        "guidance/gradient.py",
        "guidance/tilted.py",
        "guidance/prox.py",
        "guidance/combine.py",
    ],
    "waltz.md": ["kernels/waltz.py"],
    "project.md": ["guidance/project.py", "guidance/gauss_newton.py"],
    "certificate.md": ["conformal.py"],
}
"""Which modules a page derives."""
NAME = r"[A-Za-z_]\w*(?:\.\w+)*"


def named(pages):
    return [pytest.param(page, id=str(page.relative_to(ROOT))) for page in pages]


@pytest.fixture(scope="module")
def known():
    """Every public name of the sources, with and without what it belongs to."""
    found = {name for name in dir(builtins) if not name.startswith("_")}
    for folder in SOURCES:
        for path in folder.rglob("*.py"):
            parts = path.relative_to(folder.parent).with_suffix("").parts
            is_package = parts[-1] == "__init__"
            module = parts[:-1] if is_package else parts
            found |= {".".join(module), module[-1]}
            for name in names_in(ast.parse(path.read_text()), imported=is_package):
                found |= {name, f"{module[-1]}.{name}", f"{'.'.join(module)}.{name}"}
    return found


def names_in(tree: ast.Module, *, imported: bool) -> Iterator[str]:
    """Names that a module or its classes define, and the parameters of what it defines.

    What it imports is part of a package's public face only.
    """
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and not imported:
            continue
        for name in defined_by(node):
            if not name.startswith("_"):
                yield name
                yield from (f"{name}.{member}" for member in members_of(node))
        yield from members_of(node)
        yield from (argument.arg for argument in ast.walk(node) if isinstance(argument, ast.arg))


def defined_by(node: ast.stmt) -> list[str]:
    match node:
        case ast.ClassDef(name=name) | ast.FunctionDef(name=name):
            return [name]
        case ast.AnnAssign(target=ast.Name(id=name)):
            return [name]
        case ast.Assign(targets=targets):
            return [target.id for target in targets if isinstance(target, ast.Name)]
        case ast.ImportFrom(names=names):
            return [alias.asname or alias.name for alias in names]
    return []


def members_of(node: ast.stmt) -> list[str]:
    if not isinstance(node, ast.ClassDef):
        return []
    members = [name for statement in node.body for name in defined_by(statement)]
    return [name for name in members if not name.startswith("_")]


def names_mentioned(page: Path) -> Iterator[str]:
    """Names in code spans: alone, called, or as the name of a setting; no files."""
    for span in code_spans(page):
        found = re.fullmatch(rf"({NAME})(?:\(.*\)|=.*)?", span)
        if found and not (ROOT / span).exists():
            yield found[1]


@pytest.mark.parametrize("page", named(page for page in PAGES if python_blocks(page)))
def test_the_python_of_a_page_runs_from_top_to_bottom(page):
    namespace = {}
    with patch.dict(METHODS):  # one page adds a method
        for block in python_blocks(page):
            run_block(page, block, namespace)


@pytest.mark.parametrize("page", named(READ_FIRST + PAGES))
def test_every_link_leads_to_a_file(page):
    for target in relative_links(page):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", named(PAGES))
def test_every_test_that_a_page_names_is_there(page):
    for name in re.findall(r"tests/[\w/]*\w\.py", prose(page)):
        assert (ROOT / name).is_file(), name


@pytest.mark.parametrize("page", named(PAGES))
def test_every_name_in_a_page_is_public(page, known):
    assert set(names_mentioned(page)) - known == set()


def test_every_algorithm_has_its_line_in_the_index():
    folder = ROOT / "docs" / "algorithms"
    assert set(relative_links(folder / "README.md")) == {
        page.name for page in folder.glob("*.md") if page.name != "README.md"
    }


@pytest.mark.parametrize("page", EQUATIONS)
def test_equations_have_the_numbers_of_the_docstrings(page):
    text = (ROOT / "docs" / "algorithms" / page).read_text()
    docstrings = [
        ast.get_docstring(node) or ""
        for module in EQUATIONS[page]
        for node in ast.walk(ast.parse((ROOT / "glass_plan" / module).read_text()))
        if isinstance(node, ast.Module | ast.FunctionDef)
    ]
    numbers = re.findall(r"  \((\d+)\)$", "\n".join(docstrings), flags=re.MULTILINE)
    assert re.findall(r"\\qquad \((\d+)\)$", text, flags=re.MULTILINE) == numbers


def test_a_name_that_is_nowhere_is_found_out(tmp_path, known):
    page = tmp_path / "page.md"
    page.write_text(
        "`Glass`, `glass_plan.kernels.Glass(x)`, `Glass.rho`, `rho=0.4`, `Glas`, `rhoo=1`"
    )
    assert set(names_mentioned(page)) - known == {"Glas", "rhoo"}
