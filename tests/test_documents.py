"""The documents are short, and what they link to is there."""

import csv
import re
import shlex
from pathlib import Path

import pytest
import yaml

from espnet_tutornet.compare.grid import read_grid
from espnet_tutornet.distill.distiller import term_needs
from espnet_tutornet.experiment.options import Options
from espnet_tutornet.tasks.teachers import check_teacher_conf

REPO = Path(__file__).resolve().parents[1]
RECIPE = REPO / "egs2/librispeech_tutornet/asr1/README.md"
STUDIES = sorted((REPO / "docs/studies").glob("*.md"))
PAGES = [RECIPE, *sorted((REPO / "docs").rglob("*.md"))]
DOCUMENTS = [REPO / "README.md", REPO / "benchmarks/README.md", *PAGES]
LINES, LINES_OF_README = 120, 150  # of a page, of what is read first
# configurations of no file: a pattern of names, and those that examples would write
UNWRITTEN = re.compile(r"NAME|distill_hellinger|train_student_stacked|<")


def without_code(path):
    """Return the text of a document without its blocks of code."""
    return re.sub(r"^\s*```.*?^\s*```", "", path.read_text(), flags=re.M | re.S)


def anchors_of(path):
    """Return the anchors that GitHub makes of a document's headings."""
    headings = re.findall(r"^#+ (.*)$", without_code(path), re.M)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.strip().replace(" ", "-") for heading in plain}


def broken_links(path):
    """Return the relative links of a document that lead nowhere."""
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", without_code(path)):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        if not target.exists() or anchor and anchor not in anchors_of(target):
            broken.append(link)
    return broken


def files_named(path):
    """Return the recipe's configurations and our modules that a document names."""
    text = path.read_text()
    confs = re.findall(r"\bconf/[\w/*.<>-]+\.yaml", text)
    modules = re.findall(r"\b(?:espnet_tutornet\.bin\.)(\w+)", text)
    return [RECIPE.parent / name for name in confs if not UNWRITTEN.search(name)] + [
        REPO / f"espnet_tutornet/bin/{name}.py" for name in modules
    ]


def blocks_of(path, language):
    """Return a document's blocks of code in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", path.read_text(), re.M | re.S)


def commands_of(path):
    """Return the words behind ./run.sh in a document's blocks of commands."""
    lines = "".join(blocks_of(path, "bash")).replace("\\\n", " ").splitlines()
    words = [shlex.split(line, comments=True) for line in lines]
    return [line[1:] for line in words if line[:1] == ["./run.sh"]]


def test_there_are_studies():
    assert STUDIES


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(REPO)))
def test_a_document_is_a_page(path):
    assert len(path.read_text().splitlines()) <= LINES


def test_the_readme_is_short():
    readme = (REPO / "README.md").read_text()
    assert len(readme.splitlines()) <= LINES_OF_README


@pytest.mark.parametrize("index", ["README.md", "docs/README.md"])
def test_an_index_names_every_page(index):
    text = (REPO / index).read_text()
    pages = (REPO / "docs").glob("*.md")
    missing = [p.name for p in pages if p.name != "README.md" and p.name not in text]
    assert missing == []


@pytest.mark.parametrize(
    "path", DOCUMENTS, ids=lambda path: str(path.relative_to(REPO))
)
def test_links_lead_somewhere(path):
    assert broken_links(path) == []


@pytest.mark.parametrize(
    "path", DOCUMENTS, ids=lambda path: str(path.relative_to(REPO))
)
def test_files_that_a_document_names_are_there(path):
    named = files_named(path)
    missing = [file for file in named if not any(file.parent.glob(file.name))]
    assert missing == []


@pytest.mark.parametrize(
    "path", DOCUMENTS, ids=lambda path: str(path.relative_to(REPO))
)
def test_options_that_a_document_gives_are_taken(path):
    for words in commands_of(path):
        Options.parse(words)


def test_commands_are_found_in_documents():
    assert ["--stage", "9", "--stop_stage", "10"] in commands_of(RECIPE)
    assert commands_of(REPO / "README.md")


def test_blocks_of_distill_conf_are_taken():
    page = REPO / "docs/configuration.md"
    inline = re.findall(r"`(\w+: \{.*?\})`", page.read_text())
    terms = [yaml.safe_load(text) for text in inline if text[:3] in ("rkd", "skd")]
    blocks = [yaml.safe_load(block) for block in blocks_of(page, "yaml")]
    blocks = [block["distill_conf"] for block in blocks]
    for conf in [*terms, *(block["terms"] for block in blocks if "terms" in block)]:
        term_needs(conf)
    for block in blocks:
        check_teacher_conf(block.get("teacher", {"cache": "outputs"}))
    assert len(terms) > 5 and len(blocks) == 2


def test_the_example_of_a_grid_is_one(tmp_path):
    (block,) = blocks_of(REPO / "docs/compare.md", "yaml")
    (tmp_path / "grid.yaml").write_text(block)
    settings = read_grid(tmp_path / "grid.yaml", {})
    axes = [setting.axes["num_labelled"] for setting in settings]
    assert axes == ["400", "100"]


def test_the_examples_of_contributing_run_as_one_program(monkeypatch):
    """They add a criterion and an encoder to what is known: take these back."""
    from espnet2.tasks.asr import encoder_choices

    from espnet_tutornet.losses import criteria, softmax

    known = dict(criteria.CRITERIA)
    monkeypatch.setattr(softmax, "CRITERIA", known)
    monkeypatch.setattr("espnet_tutornet.losses.CRITERIA", known)
    choices = dict(encoder_choices.classes)
    monkeypatch.setattr(encoder_choices, "classes", choices)
    blocks = blocks_of(REPO / "docs/contributing.md", "python")
    assert len(blocks) == 3
    exec("\n".join(blocks), {"__name__": "contributing"})


def test_the_first_table_is_that_of_its_records():
    """In both READMEs, and in the heads of the two configurations."""
    with (RECIPE.parent / "results/mini.csv").open(newline="") as f:
        rows = {row["method"]: row for row in csv.DictReader(f)}
    pages = [path.read_text() for path in (REPO / "README.md", RECIPE)]
    for row in rows.values():
        for name in ("test_clean", "test_other"):
            cell = " / ".join(
                f"{float(row[f'{u}_{name}']):.1f}" for u in ("wer", "cer")
            )
            assert all(f"| {cell} |" in page for page in pages), (row["run"], name)
    heads = {
        "train_student_rnn": ("none", "skd", "rkd_task", "rkd_skd"),
        "train_teacher_e_branchformer": ("teacher",),
    }
    for config, methods in heads.items():
        text = (RECIPE.parent / f"conf/tuning/{config}.yaml").read_text()
        head = " ".join(text.split("frontend:")[0].replace("#", " ").split())
        for method in methods:
            names = ("wer_test_clean", "wer_test_other")
            wers = " / ".join(f"{float(rows[method][name]):.1f}" for name in names)
            assert wers in head, (config, method)
