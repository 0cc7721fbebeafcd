"""The README tells the truth: its table is the registry's, its links and commands exist."""

import re

import pytest

import cvapps
from pipelines.home import CHECKOUT
from pipelines.readme import cost, costs, table, with_table
from tests.contract.test_models import DEFAULT_ROWS

README = (CHECKOUT / "README.md").read_text()


def test_the_table_of_models_is_the_registrys():
    known = costs(README)
    assert set(known) == set(cvapps.list_models()), "run `make readme`"
    assert with_table(README, table(known.__getitem__)) == README, "run `make readme`"


LIGHT = [name for name in DEFAULT_ROWS if float(costs(README)[name][1].replace(",", "")) < 2000]  # multiply-adds (M)


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=() if n in LIGHT else pytest.mark.slow) for n in cvapps.list_models()]
)
def test_the_costs_in_the_table_are_measured(name):
    assert costs(README)[name] == cost(name)


def test_a_readme_without_marks_is_refused():
    with pytest.raises(ValueError, match="no lines"):
        with_table("# cvapps", "")


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_every_link_to_a_file_leads_somewhere(page):
    links = re.findall(r"\]\(([^)#:]+)\)", (CHECKOUT / page).read_text())
    assert len(links) >= 5
    assert [link for link in links if not (CHECKOUT / link).exists()] == []


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_every_make_target_exists(page):
    makefile = (CHECKOUT / "Makefile").read_text()
    named = set(re.findall(r"`make ([a-z-]+)", (CHECKOUT / page).read_text()))
    assert len(named) >= 2
    assert [target for target in sorted(named) if f"\n{target}:" not in makefile] == []
