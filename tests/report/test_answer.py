from dataclasses import replace
from pathlib import Path

import pytest

from espnet_tutornet.report.answer import (
    find_baseline,
    find_teacher,
    say_costs,
    show_answer,
)
from espnet_tutornet.report.experiments import Experiment
from espnet_tutornet.report.points import Point
from espnet_tutornet.report.setting import Setting


def point(student, method, *wer, exp="exp", epochs=20, sizes=(None, None, None), **kw):
    path = Path(exp) / f"{student}_{method}"
    if method == "teacher":
        path = Path(exp) / "big"
    run = Experiment(path, student, "big", method, 1, epochs, kw.get("config", ""))
    rates = {"clean": wer} if wer else {}
    parameters, rtf, macs = sizes
    label = kw.get("label", method.upper())
    runs = (run,) * max(len(wer), 1)
    return Point(student, method, label, runs, rates, parameters, rtf, macs)


BIG = point("big", "teacher", 4.0, sizes=(2e6, 0.004, 9e7), label="Teacher")
NONE = point("small", "none", 12.0, 14.0, sizes=(5e4, 0.002, 4e6))
SKD = point("small", "skd", 8.0, 9.0, sizes=(5e4, 0.002, 4e6))


def answer(*points):
    sets = sorted({name for p in points for name in p.wer})
    setting = Setting([], list(points), "greedy", Path("data"), [], sets)
    blocks = show_answer(setting).blocks
    texts = [block.text for block in blocks if block.kind == "text"]
    return texts, [block for block in blocks if block.kind == "table"]


def test_the_best_student_stands_beside_teacher_and_baseline():
    other = point("tiny", "skd", 9.5)
    texts, (table,) = answer(BIG, NONE, SKD, other)
    assert texts == [
        "The best student on clean is small (SKD) with 8.50 % WER; its teacher has "
        "4.00 %, and the same student without distillation has 13.00 %.",
        "Beside its teacher it has 40 times fewer parameters and 22 times fewer "
        "multiply-accumulates (MACs), and is 2 times as fast.",
    ]
    assert table.header == ["Measure", "Teacher", "NONE", "SKD"]
    assert table.rows == [
        ["WER (%)", "4.00", "13.00", "8.50"],
        ["best to worst seed", "-", "12.00 to 14.00", "8.00 to 9.00"],
        ["seeds", "1", "2", "2"],
        ["Parameters", "2.00 M", "50.0 k", "50.0 k"],
        ["MACs per second", "90.0 M", "4.00 M", "4.00 M"],
        ["RTF, one CPU thread", "0.0040", "0.0020", "0.0020"],
    ]


def test_distillation_that_does_not_pay_is_said():
    best = replace(NONE, wer={"clean": (7.0,)})
    texts, (table,) = answer(BIG, best, SKD)
    assert texts[0] == (
        "The best student on clean is small (NONE) with 7.00 % WER; its teacher has "
        "4.00 %, and the best with distillation, small (SKD), has 8.50 %."
    )
    assert table.header == ["Measure", "Teacher", "SKD", "NONE"]
    texts, _ = answer(BIG, best)
    assert texts[0].endswith(
        "4.00 %, and no student with distillation is scored there."
    )


def test_what_is_missing_is_said():
    texts, (table,) = answer(point("small", "skd", 8.0))
    assert texts == [
        "The best student on clean is small (SKD) with 8.00 % WER; its teacher is not "
        "scored there, and the same student without distillation is not scored there."
    ]
    assert table.header == ["Measure", "SKD"] and table.rows[2:] == [
        ["Parameters", "-"],
        ["MACs per second", "-"],
        ["RTF, one CPU thread", "-"],
    ]
    assert answer(BIG) == (["No student is scored on clean yet."], [])
    assert answer() == (["No run is scored, so there is no best student yet."], [])


@pytest.mark.parametrize(
    "sizes, expected",
    [
        ((2e6, None, None), "it has as many parameters. Not measured on both sides: "),
        ((None, 0.008, None), "it is 2 times as slow. Not measured on both sides: "),
        ((4e6, 0.004, 9e7), "it has 2 times as many parameters and as many multiply"),
        ((1e6, 0.001, 9e7), "as many multiply-accumulates (MACs), and is 4 times as"),
    ],
)
def test_sizes_are_said_whichever_way_they_go(sizes, expected):
    assert expected in say_costs(point("small", "skd", 8.0, sizes=sizes), BIG)


def test_nothing_measured_is_said():
    said = say_costs(point("small", "skd", 8.0), BIG)
    assert said == (
        "Not measured on both sides: parameters, multiply-accumulates (MACs), "
        "real-time factor (RTF)."
    )


def test_the_baseline_is_of_the_same_directory_and_epochs():
    elsewhere = point("small", "none", 1.0, exp="exp2")
    longer = point("small", "none", 2.0, epochs=40)
    other = point("tiny", "none", 3.0)
    assert find_baseline([elsewhere, longer, NONE, other], SKD) is NONE
    assert find_baseline([elsewhere, longer, other], SKD) is longer
    assert find_baseline([other, SKD, BIG], SKD) is None


def test_the_teacher_is_the_one_that_the_run_names():
    elsewhere = point("big", "teacher", 5.0, exp="exp2")
    assert find_teacher([elsewhere, BIG, NONE], SKD) is BIG
    assert find_teacher([elsewhere, NONE], SKD) is elsewhere
    assert find_teacher([NONE], SKD) is None
