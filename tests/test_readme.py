"""The README tells the truth: its table is the registry's, its links and commands exist."""

import re

import pytest

import cvapps
from pipelines.home import CHECKOUT
from pipelines.readme import table, with_table

README = (CHECKOUT / "README.md").read_text()


def test_the_table_of_models_is_the_registrys():
    assert with_table(README) == README, "run `make readme`"
    assert all(f"`{name}`" in table() for name in cvapps.list_models())


def test_a_readme_without_marks_is_refused():
    with pytest.raises(ValueError, match="no lines"):
        with_table("# cvapps")


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
