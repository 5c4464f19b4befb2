import re
import xml.etree.ElementTree as ET

import matplotlib
import pytest
from matplotlib.figure import Figure

from espnet_tutornet.report.pictures import (
    HEIGHT,
    STYLE,
    Album,
    add_legend,
    choose_styles,
    choose_ticks,
    spans,
    use_log_scale,
)


def draw(figure, values):
    figure.subplots().plot(values, label="line")


@pytest.fixture
def album(tmp_path):
    return Album(tmp_path / "pictures")


def test_a_picture_is_two_files_and_an_element(album, tmp_path):
    picture = album.add("a/b c", 'says "<b>"', 2.0, draw, [1, 2])
    files = sorted(path.name for path in (tmp_path / "pictures").iterdir())
    assert files == ["a_b_c.png", "a_b_c.svg"]
    root = ET.fromstring(picture.svg)
    assert root.attrib["aria-label"] == 'says "<b>"' and root.attrib["role"] == "img"
    assert root.attrib["viewBox"].split()[2] == "316.8"
    assert "width" not in root.attrib and "height" not in root.attrib


def test_ids_of_pictures_differ_and_lead_somewhere(album):
    texts = [album.add(name, name, 2.0, draw, [1, 2]).svg for name in ("a", "b")]
    ids = [set(re.findall(r'\bid="([^"]+)"', text)) for text in texts]
    assert ids[0] and not ids[0] & ids[1]
    for text, known in zip(texts, ids):
        used = set(re.findall(r'(?:url\(#|href="#)([^)"]+)', text))
        assert used and used <= known


def test_the_same_picture_twice_is_the_same_file(tmp_path):
    for name in ("one", "two"):
        Album(tmp_path / name).add("a", "a", 2.0, draw, [1, 3])
    for name in ("a.svg", "a.png"):
        assert (tmp_path / "one" / name).read_bytes() == (
            tmp_path / "two" / name
        ).read_bytes()
    text = (tmp_path / "one/a.svg").read_text()
    assert "<metadata>" not in text and ">line<" not in text


def test_every_label_has_its_own_style():
    labels = [
        ("none", "No"),
        ("skd", "S"),
        ("skd", "S (x)"),
        ("new", "N"),
        ("skd", "S"),
    ]
    styles = choose_styles(labels)
    assert list(styles) == ["No", "S", "S (x)", "N"]
    assert len(set(styles.values())) == 4
    assert styles["S"] == choose_styles([("skd", "other")])["other"]
    many = choose_styles([("new", str(n)) for n in range(20)])
    assert len(set(many.values())) == 20


def test_a_legend_takes_nothing_of_the_axes():
    heights = []
    for count in (1, 12):
        with matplotlib.rc_context(STYLE):
            figure = Figure(figsize=(4.4, HEIGHT))
            axes = figure.subplots()
            for n in range(count):
                axes.plot([1, 2], label=f"a label of more letters than two columns {n}")
            add_legend(figure)
            figure.draw_without_rendering()
        heights.append(axes.get_window_extent().height)
    assert heights[1] >= 0.9 * heights[0]


@pytest.mark.parametrize(
    "low, high, ticks",
    [
        (3.0, 6.5, [3.0, 4.0, 5.0, 6.0]),
        (2.2, 40.0, [3.0, 5.0, 10.0, 20.0, 30.0]),
        (4e4, 3e6, [1e5, 3e5, 1e6, 3e6]),
        (1e-3, 1e9, [1e-3, 1.0, 1e3, 1e6, 1e9]),
    ],
)
def test_ticks_are_round_and_few(low, high, ticks):
    assert choose_ticks(low, high) == ticks


def test_a_logarithm_needs_positive_values_far_apart():
    assert spans([1.0, 9.0], 8)
    assert not spans([1.0, 8.0], 8) and not spans([0.0, 9.0], 8)


def test_axis_keeps_a_margin_and_writes_its_ticks():
    axes = Figure().subplots()
    use_log_scale(axes.yaxis, [2.0, 40.0], 2.0, "{:.0f} k".format)
    assert axes.get_yscale() == "log" and axes.get_xscale() == "linear"
    assert axes.get_ylim() == (1.0, 80.0)
    labels = [tick.get_text() for tick in axes.get_yticklabels()]
    assert labels == ["1 k", "3 k", "10 k", "30 k"]
