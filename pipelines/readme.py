"""The README's table of models, from the registry: `python -m pipelines.readme` writes it anew."""

import cvapps
from pipelines.home import CHECKOUT

BEGIN, END = "<!-- models: written by `make readme` -->\n", "<!-- end of models -->\n"


def table() -> str:
    """One row for each family and paper: the models, the lectures' systems that they answer, the source."""
    groups: dict[tuple, list[str]] = {}
    for name in cvapps.list_models():
        row = cvapps.model_info(name)
        groups.setdefault((row.task, row.builder.__module__, row.paper, row.systems), []).append(name)
    lines = ["| models | file | systems | paper |", "| --- | --- | --- | --- |"]
    for (_, module, paper, systems), names in sorted(groups.items(), key=lambda item: (item[0][3], item[1])):
        file = module.replace(".", "/") + ".py"
        lines.append(
            f"| {', '.join(f'`{name}`' for name in names)} | [{file.removeprefix('cvapps/')}]({file}) "
            f"| {', '.join(map(str, systems))} | {paper.authors} {paper.year}: [{paper.title}]({paper.link}) |"
        )
    return "\n".join(lines) + "\n"


def with_table(readme: str) -> str:
    """The README with the table as it is now. Raises ValueError where its two marks are not there."""
    before, mark, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (mark and end):
        raise ValueError(f"README.md has no lines {BEGIN.strip()!r} and {END.strip()!r} around its table of models")
    return f"{before}{BEGIN}{table()}{END}{after}"


if __name__ == "__main__":
    path = CHECKOUT / "README.md"
    path.write_text(with_table(path.read_text()))
