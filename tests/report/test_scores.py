import pytest
from matplotlib.figure import Figure

from espnet_tutornet.report.pictures import choose_styles
from espnet_tutornet.report.points import Point
from espnet_tutornet.report.scores import draw_costs, draw_methods


def point(student, method, parameters, *wer):
    return Point(student, method, method, (), {"clean": wer}, parameters, 0.1)


POINTS = [
    point("big", "teacher", 1e6, 4.0),
    point("small", "none", 1e4, 12.0, 14.0),
    point("small", "skd", 1e4, 8.0, 9.0),
]
STYLES = choose_styles((p.method, p.label) for p in POINTS)


@pytest.fixture
def figure():
    return Figure(layout="constrained")


def lines_by_label(figure):
    return {line.get_label(): line for line in figure.axes[0].lines}


def test_costs_join_the_front_and_name_each_student_once(figure):
    draw_costs(figure, POINTS, STYLES, "clean", "parameters")
    front = lines_by_label(figure)["Pareto front"]
    assert front.get_xydata().tolist() == [[1e4, 8.5], [1e6, 4.0]]
    assert front.get_drawstyle() == "steps-post"
    names = [text.get_text() for text in figure.axes[0].texts]
    assert sorted(names) == ["big", "small"]
    assert figure.axes[0].get_ylim() == (0, pytest.approx(1.1 * 14.0))


def test_costs_far_apart_are_on_a_logarithmic_scale(figure):
    draw_costs(
        figure, [*POINTS, point("bad", "none", 1e5, 97.0)], STYLES, "clean", "rtf"
    )
    assert figure.axes[0].get_yscale() == "log"
    assert figure.axes[0].get_xlabel().startswith("real-time factor")


def test_names_of_close_students_are_on_two_lines(figure):
    close = [point(f"student_{n}", "none", 1e5 * (1 + n / 9), 9.0) for n in range(2)]
    draw_costs(figure, close, STYLES, "clean", "parameters")
    heights = [text.get_position()[1] for text in figure.axes[0].texts]
    assert heights == [1.02, 1.08]


def test_points_of_one_size_stand_side_by_side(figure):
    draw_costs(figure, POINTS, STYLES, "clean", "parameters")
    drawn = {box.get_label(): box.lines[0] for box in figure.axes[0].containers}
    xs = {name: line.get_xdata()[0] for name, line in drawn.items()}
    assert xs["none"] < 1e4 < xs["skd"] < 1.3 * xs["none"]
    assert xs["none"] * xs["skd"] == pytest.approx(1e8)  # around their place
    assert xs["teacher"] == 1e6
    assert drawn["none"].get_ydata().tolist() == [13.0]


def test_methods_have_a_ring_a_seed_and_a_bar(figure):
    draw_methods(figure, POINTS, STYLES, "clean")
    lines = figure.axes[0].lines
    assert list(lines[2].get_xdata()) == [13.0]
    assert list(lines[3].get_xdata()) == [12.0, 14.0]
    names = [tick.get_text() for tick in figure.axes[0].get_yticklabels()]
    assert names == ["big\nteacher", "small\nnone", "skd"]
