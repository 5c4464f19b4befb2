import json
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET

import pytest
import torch
import yaml

from espnet_tutornet.bin.report import get_parser, main
from espnet_tutornet.report.build import gather_setting
from espnet_tutornet.report.models import load_models
from espnet_tutornet.report.pictures import SPARE_STYLES
from espnet_tutornet.scoring.score import COLUMNS

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
SECTIONS = ["answer", "cost", "methods", "training", "utterances", "offsets", "words"]
ONE = ["--utterances", "1", "--spike_utterances", "1"]  # those to show, to listen to
# method -> seed -> words that were recognised instead of A B, A B, A B
SAID = {
    "none": {1: ["C B", "C B", "A D"], 2: ["C B", "A B", "A"]},
    "rkd_skd": {1: ["A B", "A B", "D B"], 2: ["A B", "A B", "A B"]},
}


def add_score(run, test_set, said):
    """Decode a set as ``said``, and score it."""
    scored = run / "decode_ctc_greedy" / test_set
    scored.mkdir(parents=True)
    wrong = sum(a != b for text in said for a, b in zip(text.split(), "AB"))
    counts = dict(zip(COLUMNS, (3, 6, 6 - wrong, wrong, 0, 0, wrong, 3)))
    (scored / "score.json").write_text(json.dumps({"wer": counts, "cer": counts}))
    (scored / "text").write_text("".join(f"u{n} {s}\n" for n, s in enumerate(said)))


def add_run(exp, name, method, seed, said, student="small", parameters=1000):
    run = exp / name
    add_score(run, "data", said)
    info = {"student": student, "teacher": "big", "method": method, "seed": seed}
    (run / "run.yaml").write_text(yaml.safe_dump({**info, "total_epochs": 4}))
    measured = {"parameters": parameters, "rtf": parameters / 1e6}
    (run / "measure.json").write_text(json.dumps(measured))
    return run


def save_checkpoint(run, term, values):
    run.mkdir(exist_ok=True)
    means = [{term: value, "loss": value} for value in values]
    stats = {n: {"train": m, "valid": m} for n, m in enumerate(means, 1)}
    torch.save({"reporter": {"stats": stats}}, run / "checkpoint.pth")


@pytest.fixture(scope="module")
def recipe(tmp_path_factory, save_asr, wav_data):
    """Return a directory with exp/: a teacher, two seeds without and with TutorNet."""
    root = tmp_path_factory.mktemp("recipe")
    exp = root / "exp"
    teacher = add_run(exp, "big", "teacher", 0, ["A B"] * 3, "big", 9000)
    save_asr(teacher, 1, token_type="char")
    for method, seeds in SAID.items():
        for seed, said in seeds.items():
            run = add_run(exp, f"small_{method}_seed{seed}", method, seed, said)
            save_asr(run / "export", seed + 5, "rnn")
            save_checkpoint(run, "loss_ctc", [7.0 / seed, 3.5, 1.25])
            first = exp / f"small_rkd_seed{seed}"
            if method == "rkd_skd":
                (run / "config.yaml").write_text(
                    f"init_param:\n- exp/{first.name}/best.pth:encoder:encoder\n"
                )
                save_checkpoint(first, "loss_rkd", [0.5, 0.25])
                terms = {"rkd": {"frame_weights": "peak"}}
                (first / "distill.yaml").write_text(yaml.safe_dump({"terms": terms}))
                save_asr(first / "export", seed + 5, "rnn")
    (root / "data").mkdir()
    (root / "data/data").symlink_to(wav_data)
    return root


@pytest.fixture(scope="module")
def report(recipe):
    """Return the directory of the report of these runs."""
    words = ["--expdir", recipe / "exp", "--datadir", recipe / "data"]
    words += ["--page", recipe / "report", "--utterances", "1", "--title", "A <report>"]
    main([str(word) for word in words])
    return recipe / "report"


def read_report(out):
    text = (out / "report.html").read_text(encoding="utf-8")
    return ET.fromstring(text.removeprefix("<!DOCTYPE html>"))


@pytest.fixture(scope="module")
def page(report):
    return read_report(report)


def section(page, name):
    return page.find(f".//section[@id='{name}']")


def text_of(element):
    return re.sub(r"\s+", " ", "".join(element.itertext()))


def labels(element):
    svgs = element.findall(".//{http://www.w3.org/2000/svg}svg")
    return [svg.attrib["aria-label"] for svg in svgs]


def test_page_has_every_section_with_pictures(page):
    found = [s.attrib["id"] for s in page.findall(".//main/section")]
    assert found == SECTIONS  # and no notes
    for name in SECTIONS[1:]:
        assert labels(section(page, name)), name
    assert text_of(page.find(".//h1")) == "A <report>"
    assert "5 runs, 5 of them scored" in text_of(page.find(".//header"))


def test_page_loads_nothing_from_elsewhere(report):
    text = (report / "report.html").read_text(encoding="utf-8")
    without_names = re.sub(r'xmlns(:\w+)?="[^"]*"', "", text)
    assert "http://" not in without_names and "https://" not in without_names
    sources = re.findall(r'(?:src|href)="([^"]*)"', without_names)
    assert sources and all(s.startswith(("data:", "#")) for s in sources)


def test_ids_of_the_page_are_unique_and_headings_in_order(page):
    ids = [e.attrib["id"] for e in page.iter() if "id" in e.attrib]
    assert len(ids) == len(set(ids))
    levels = [int(e.tag[1]) for e in page.iter() if re.fullmatch(r"h\d", str(e.tag))]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(b <= a + 1 for a, b in zip(levels, levels[1:]))


def test_the_answer_comes_before_all_pictures(page):
    answer = section(page, "answer")
    assert page.find(".//main")[0] is answer and not labels(answer)
    said = [text_of(p) for p in answer.findall("p")]
    assert said == [
        "The best student on data is small (RKD, then SKD) with 8.33 % WER; its "
        "teacher has 0.00 %, and the same student without distillation has 33.33 %.",
        "Beside its teacher it has 9 times fewer parameters, and is 9 times as "
        "fast. Not measured on both sides: multiply-accumulates (MACs).",
    ]


def test_the_answer_is_of_a_test_set_although_a_dev_set_is_scored(recipe, tmp_path):
    exp = shutil.copytree(recipe / "exp", tmp_path / "exp")
    for decoded in exp.glob("*/decode_ctc_greedy"):
        (decoded / "data").rename(decoded / "test_a")
        add_score(decoded.parent, "dev_a", ["D D", "D D", "D D"])
    main(["--expdir", str(exp), "--page", str(tmp_path / "out")])
    page = read_report(tmp_path / "out")
    assert "The best student on test_a is" in text_of(section(page, "answer"))
    captions = [text_of(c) for c in section(page, "cost").findall(".//figcaption")]
    assert [c.split(":")[0] for c in captions] == ["test_a"] * 2 + ["dev_a"] * 2


def test_a_bar_tells_how_far_the_report_is(recipe, tmp_path, monkeypatch, capsys):
    words = ["--expdir", recipe / "exp", "--page", tmp_path / "out"]
    main([str(word) for word in words])
    assert "part" not in capsys.readouterr().err  # nobody is looking
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    main([str(word) for word in words])
    assert "words: 100%" in capsys.readouterr().err


def test_runs_without_curves_are_named(recipe, tmp_path):
    exp = shutil.copytree(recipe / "exp", tmp_path / "exp")
    for name in ("small_rkd_skd_seed1", "small_rkd_seed1"):
        (exp / name / "checkpoint.pth").unlink()
    main(["--expdir", str(exp), "--page", str(tmp_path / "out")])
    curves = section(read_report(tmp_path / "out"), "training")
    assert "No checkpoint.pth, so no curves: RKD, then SKD." in text_of(curves)
    assert "No distillation" in labels(curves)[0]


def test_a_damaged_checkpoint_is_noted(recipe, tmp_path):
    exp = shutil.copytree(recipe / "exp", tmp_path / "exp")
    (exp / "small_rkd_seed1/checkpoint.pth").write_bytes(b"half a file")
    main(["--expdir", str(exp), "--page", str(tmp_path / "out")])
    page = read_report(tmp_path / "out")
    assert "small_rkd_seed1 has no curves: " in text_of(section(page, "notes"))
    rows = [text_of(r) for r in section(page, "training").findall(".//tbody/tr")]
    assert rows == ["No distillation-31.251.25", "RKD, then SKD-31.251.25"]


def test_costs_name_the_pareto_front(page):
    # WER of the teacher 0 %, distilled 8.3 %, without 33.3 % at the same cost
    captions = [text_of(c) for c in section(page, "cost").findall(".//figcaption")]
    front = "On the Pareto front: small (RKD, then SKD); big (Teacher)."
    assert [c.endswith(front) for c in captions] == [True, True]


def test_methods_tell_mean_wer_and_frame_weights(page):
    (label,) = labels(section(page, "methods"))
    # 3 and 1 wrong words of 6; 1 and 0 of 6
    assert "small, No distillation: 33.33 %" in label
    assert "small, RKD, then SKD: 8.33 %" in label
    assert "weights of the RKD stages here: peak." in text_of(section(page, "methods"))


def test_similarity_is_that_of_the_student_and_of_its_stage_1(page):
    table = section(page, "offsets").findall(".//table")[-1]
    header, *rows = [[text_of(c) for c in r] for r in table.iter() if r.tag == "tr"]
    assert header[-4:] == ["CKA", "of tokens", "CKA after stage 1", "of tokens"]
    by_method = {row[1]: row[-4:] for row in rows}
    assert by_method["No distillation"][2:] == ["-", "-"]
    alike, of_tokens, *first = by_method["RKD, then SKD"]
    assert 0.0 < float(alike) < 0.99
    assert first == [alike, of_tokens]  # the very network, in these runs


def test_curves_of_both_stages_are_joined(page):
    rows = [text_of(r) for r in section(page, "training").findall(".//tbody/tr")]
    # one stage of 3 epochs; two of RKD and three
    assert [re.sub(r" ?<.*?> ?", " ", row) for row in rows] == [
        "No distillation-31.251.25-",
        "RKD, then SKD251.251.250.25",
    ]
    assert "checkpoint" not in text_of(section(page, "training"))
    titles = [label.split(" of ")[0] for label in labels(section(page, "training"))]
    assert titles == ["loss", "loss_ctc", "loss_rkd"]


def test_curves_that_are_too_many_are_named(tmp_path):
    exp = tmp_path / "exp"
    for n in range(14):
        run = add_run(exp, f"small_x{n:02}_seed1", f"x{n:02}", 1, ["A B"])
        save_checkpoint(run, "loss_ctc", [7.0, 3.5])
    main(["--expdir", str(exp), "--page", str(tmp_path / "report")])
    curves = section(read_report(tmp_path / "report"), "training")
    (label,) = [x for x in labels(curves) if x.startswith("loss_ctc of small")]
    assert label.count(" 3.5") == 12
    names = "SKD (x12) only, SKD (x13) only"
    assert f"More than 12, left out: {names}." in text_of(curves)


def test_an_utterance_is_shown_and_played(page):
    shown = section(page, "utterances")
    (audio,) = shown.findall(".//audio")
    assert audio.attrib["src"].startswith("data:audio/flac;base64,")
    assert text_of(shown.find(".//h3")) == "u1"
    picture = text_of(shown.find(".//{http://www.w3.org/2000/svg}svg"))
    for words in ("teacher", "small: No distillation", "small: RKD, then SKD"):
        assert words in picture
    assert "frame weights of RKD: peak" in picture
    assert "reference, aligned on" in picture


def test_methods_of_one_stage_1_share_the_network_that_it_left(recipe, tmp_path):
    exp = shutil.copytree(recipe / "exp", tmp_path / "exp")
    run = shutil.copytree(exp / "small_rkd_skd_seed1", exp / "small_rkd_task_seed1")
    info = (run / "run.yaml").read_text()
    (run / "run.yaml").write_text(info.replace("rkd_skd", "rkd_task"))
    words = ["--expdir", exp, "--datadir", recipe / "data"]
    args = get_parser().parse_args([str(word) for word in words])
    models = load_models(gather_setting(args))
    first, second = models.first.values()
    assert first is second and len(models.students) == 3


def test_offsets_count_the_tokens_in_common(page):
    rows = section(page, "offsets").findall(".//tbody/tr")
    cells = [[text_of(cell) for cell in row] for row in rows]
    assert [row[:2] for row in cells] == [
        ["small", "No distillation"],
        ["small", "RKD, then SKD"],
    ]
    assert all(int(row[3]) <= int(row[2]) for row in cells)


def test_confusions_are_summed_over_seeds(page):
    words = section(page, "words")
    rows = words.findall(".//tbody/tr")
    assert [[text_of(cell) for cell in row] for row in rows] == [
        ["A", "C", "3", "0", "-3"],
        ["B", "D", "1", "0", "-1"],
        ["A", "D", "0", "1", "+1"],
    ]
    assert "seeds 1, 2: 4 substitutions before, 1 after" in text_of(words)


def test_a_set_of_the_teacher_alone_hides_no_comparison(recipe, tmp_path):
    # as after stage 7, which checks the teacher on a dev set
    exp = shutil.copytree(recipe / "exp", tmp_path / "exp")
    add_score(exp / "big", "a_dev", ["A B", "A B", "A D"])
    words = ["--expdir", exp, "--datadir", recipe / "data", "--page", tmp_path / "out"]
    main([str(word) for word in (*words, *ONE)])
    page = read_report(tmp_path / "out")
    assert len(section(page, "words").findall(".//tbody/tr")) == 3
    captions = [text_of(c) for c in section(page, "cost").findall(".//figcaption")]
    assert [caption.split(":")[0] for caption in captions] == ["data", "data"]


def test_confusions_need_a_set_of_the_student_alone(recipe, tmp_path):
    # another student was decoded on another set
    exp = tmp_path / "exp"
    shutil.copytree(recipe / "data/data", tmp_path / "data/data")
    shutil.copytree(recipe / "data/data", tmp_path / "data/other")
    for method in ("none", "skd"):
        add_run(exp, f"a_{method}", method, 1, SAID["none"][1], "a")
        run = add_run(exp, f"b_{method}", method, 1, SAID["none"][2], "b")
        (run / "decode_ctc_greedy/data").rename(run / "decode_ctc_greedy/other")
    words = [
        "--expdir",
        exp,
        "--datadir",
        tmp_path / "data",
        "--page",
        tmp_path / "out",
    ]
    main([str(word) for word in words])
    said = text_of(section(read_report(tmp_path / "out"), "words"))
    assert "a, SKD only, seed 1: 3 substitutions before, 3 after" in said
    assert "b, SKD only, seed 1: 1 substitutions before, 1 after" in said


def colors_of(figure):
    """Return the colours that strokes of a picture have."""
    return set(re.findall(r"stroke: (#\w+)", ET.tostring(figure, encoding="unicode")))


def test_a_method_has_one_colour_on_the_whole_page(recipe, tmp_path):
    exp = shutil.copytree(recipe / "exp", tmp_path / "exp")
    for path in list(exp.glob("small_rkd_skd_*")):
        run = path.rename(str(path).replace("rkd_skd", "rkdoutput_skd"))
        info = (run / "run.yaml").read_text()
        (run / "run.yaml").write_text(info.replace("rkd_skd", "rkdoutput_skd"))
    for method in ("a", "b"):  # which have no curves, and are before it by name
        add_run(exp, f"small_{method}", method, 1, ["C B", "C B", "A B"])
    words = ["--expdir", exp, "--datadir", recipe / "data", "--page", tmp_path / "out"]
    main([str(word) for word in (*words, *ONE)])
    page = read_report(tmp_path / "out")
    (term,) = [
        svg
        for svg in section(page, "training").findall(".//{*}svg")
        if svg.attrib["aria-label"].startswith("loss_rkd of")
    ]
    (color,) = colors_of(term) & {color for color, _ in SPARE_STYLES}
    for name in ("cost", "methods", "utterances", "offsets"):
        assert color in colors_of(section(page, name).find(".//{*}svg")), name


def test_pictures_lie_beside_the_page(report):
    names = {path.stem for path in (report / "pictures").iterdir()}
    for stem in names:
        assert (report / "pictures" / f"{stem}.svg").stat().st_size
        assert (report / "pictures" / f"{stem}.png").stat().st_size
    assert {"wer_parameters_data", "utterance_u1", "curve_small_loss_rkd"} <= names


def test_an_empty_expdir_makes_a_page_that_says_so(tmp_path, capsys):
    (tmp_path / "exp").mkdir()
    words = ["--expdir", tmp_path / "exp", "--page", tmp_path / "out"]
    main([str(word) for word in words])
    root = read_report(tmp_path / "out")
    assert "There are no runs in this experiment directory yet." in text_of(root)
    for name in SECTIONS:
        assert len(section(root, name)) == 2, name  # a heading and a sentence
    assert "Wrote" in capsys.readouterr().out


def test_distillation_that_changed_no_confusion_says_so(recipe, tmp_path):
    for method in ("none", "skd"):
        add_run(tmp_path / "exp", method, method, 1, ["A B", "A C", "A B"])
    words = ["--expdir", tmp_path / "exp", "--datadir", recipe / "data"]
    main([str(word) for word in (*words, "--page", tmp_path / "out")])
    root = read_report(tmp_path / "out")
    said = text_of(section(root, "words"))
    assert "seed 1: 1 substitutions before, 1 after. No confusion changed." in said


def test_many_notes_are_cut_short(tmp_path):
    for number in range(23):
        run = add_run(tmp_path / "exp", f"r{number}", "none", number, ["A B"])
        (run / "measure.json").unlink()
    words = ["--expdir", tmp_path / "exp", "--page", tmp_path / "out"]
    main([str(word) for word in words])
    root = read_report(tmp_path / "out")
    notes = section(root, "notes").findall(".//li")
    assert len(notes) == 21
    # 23 without a size, and one set without transcripts
    assert notes[-1].text == "And 4 more."
    assert "No run scored on data has a measured" in text_of(section(root, "cost"))


def fails(capsys, *words):
    with pytest.raises(SystemExit) as stop:
        main([str(word) for word in words])
    assert stop.value.code == 1
    return capsys.readouterr().err


def test_what_is_no_report_is_not_replaced(recipe, tmp_path, capsys):
    (tmp_path / "precious").touch()
    error = fails(capsys, "--expdir", recipe / "exp", "--page", tmp_path)
    assert "holds no report.html, so it is not replaced" in error
    assert (tmp_path / "precious").exists()


@pytest.mark.parametrize(
    "option, value, expected",
    [
        ("--students", "huge", "expected of: small"),
        ("--test_sets", "nowhere", "expected of: data"),
        ("--speech_set", "nowhere", "expected of: data"),
        ("--inference", "beam", "expected of: ctc_greedy"),
        ("--top", "0", "at least 1, got 0"),
        ("--utterances", "nobody", "ids such as u0 u1 u2, or a number"),
    ],
)
def test_an_unknown_name_lists_the_known(
    recipe, tmp_path, capsys, option, value, expected
):
    words = ["--expdir", recipe / "exp", "--datadir", recipe / "data"]
    error = fails(capsys, *words, "--page", tmp_path / "out", option, value)
    assert expected in error and option in error and error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_model_that_cannot_be_loaded_is_noted(recipe, tmp_path):
    exp = tmp_path / "exp"
    shutil.copytree(recipe / "exp", exp)
    torch.save({}, exp / "small_none_seed1/export/model.pth")
    words = ["--expdir", exp, "--datadir", recipe / "data", "--page", tmp_path / "out"]
    main([str(word) for word in (*words, *ONE)])
    root = read_report(tmp_path / "out")
    assert "small_none_seed1 cannot be heard" in text_of(section(root, "notes"))
    assert labels(section(root, "utterances"))


def test_runs_of_two_directories_stay_apart(recipe, tmp_path):
    other = tmp_path / "exp2"
    add_run(other, "small_none_seed1", "none", 1, ["A B", "C D", "C D"])
    words = ["--expdir", recipe / "exp", other, "--datadir", tmp_path / "none"]
    main([str(word) for word in (*words, "--page", tmp_path / "out")])
    root = read_report(tmp_path / "out")
    tables = section(root, "cost").findall(".//table")
    assert [len(table.findall(".//tbody/tr")) for table in tables] == [3, 1]
    (label,) = labels(section(root, "methods"))
    # 2 of 3 utterances with both words wrong
    assert "small, No distillation (exp2): 66.67 %" in label
    assert "small, No distillation (exp): 33.33 %" in label


def test_audio_that_is_gone_leaves_the_rest_of_the_page(recipe, tmp_path):
    data = tmp_path / "data/data"
    data.mkdir(parents=True)
    shutil.copy(recipe / "data/data/text", data)
    (data / "wav.scp").write_text("u0 gone.wav\n")
    words = ["--expdir", recipe / "exp", "--datadir", data.parent]
    main([str(word) for word in (*words, "--page", tmp_path / "out")])
    root = read_report(tmp_path / "out")
    assert "data cannot be heard" in text_of(section(root, "notes"))
    assert not labels(section(root, "utterances")) and labels(section(root, "words"))


PROBE = """<!DOCTYPE html><html><body>
<iframe id="f" src="report.html" style="width:360px;height:800px;border:0"></iframe>
<pre id="found"></pre><script>
f.onload = () => {
  const page = f.contentDocument, root = page.documentElement;
  const boxes = [...page.querySelectorAll("svg")].map(s => s.getBoundingClientRect());
  found.textContent = JSON.stringify({
    width: root.clientWidth, content: root.scrollWidth, pictures: boxes.length,
    empty: boxes.filter(b => b.width < 100 || b.height < 50).length,
    wide: boxes.filter(b => b.right > 360).length,
    audio: page.querySelectorAll("audio").length});
};
</script></body></html>"""


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
def test_a_narrow_browser_shows_all_pictures_without_errors(report, page, tmp_path):
    shutil.copy(report / "report.html", tmp_path)
    (tmp_path / "probe.html").write_text(PROBE)
    command = [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu"]
    command += ["--allow-file-access-from-files", "--enable-logging=stderr"]
    command += [f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=5000"]
    command += ["--dump-dom", f"file://{tmp_path / 'probe.html'}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    found = json.loads(re.search(r'<pre id="found">(.*?)</pre>', done.stdout)[1])
    assert found["content"] == found["width"] <= 360, "the page scrolls sideways"
    assert found["pictures"] == len(labels(page)) > 5
    assert (found["empty"], found["wide"], found["audio"]) == (0, 0, 1)
    assert "CONSOLE" not in done.stderr, done.stderr


def test_what_draws_it_is_an_extra(monkeypatch, capsys):
    """Without matplotlib one line says what to install."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for name in [n for n in sys.modules if n.startswith("espnet_tutornet.report.")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(SystemExit):
        main(["--expdir", ".", "--page", "page"])
    assert "pip install 'espnet_tutornet[report]'" in capsys.readouterr().err
