import numpy as np
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from espnet_tutornet.report.spikes import Spike
from espnet_tutornet.report.utterances import (
    Row,
    UtterancePicture,
    draw_utterance,
)

NON_BLANK = np.array([[0.0, 0.9], [0.5, 0.01], [0.0, 0.0]])


def draw(**changes):
    row = Row("teacher", "red", NON_BLANK, [Spike("A", 0, 0.9)], 0.5)
    given = dict(mel=np.zeros((4, 15)), mel_shift=0.1, reference=[("A", 0.0, 0.5)])
    given |= dict(weights=np.array([2.0, 1.0, 0.0]), weights_name="peak")
    shown = UtterancePicture(**{**given, "rows": [row], "seconds": 1.5, **changes})
    figure = Figure(layout="constrained")
    draw_utterance(figure, shown)
    return figure, shown


def letters(axes):
    return [text.get_text() for text in axes.texts]


def test_an_utterance_has_a_panel_a_thing():
    figure, shown = draw()
    titles = [axes.get_title() for axes in figure.axes]
    assert titles[0] == "log-mel energies" and titles[3] == "teacher"
    assert titles[2].endswith("of RKD: peak") and len(titles) == 4
    assert figure.axes[3].get_xlim() == (0, 1.5)
    without, small = draw(reference=[], weights=None)
    assert len(without.axes) == 2 and small.height < shown.height


def test_probabilities_stand_at_the_centres_of_their_frames():
    figure, _ = draw()
    (bars,) = figure.axes[3].collections
    drawn = [segment.tolist() for segment in bars.get_segments()]
    # 0.01 is too small to see
    assert drawn == [[[0.25, 0.0], [0.25, 0.9]], [[0.75, 0.0], [0.75, 0.5]]]
    assert to_hex(bars.get_color()[0]) == to_hex("red")
    assert letters(figure.axes[3]) == ["A"]


def test_letters_without_room_are_left_out():
    near = [Spike(token, frame, 1.0) for frame, token in enumerate("ABCD")]
    row = Row("teacher", "red", NON_BLANK, near, 0.001)
    figure, _ = draw(rows=[row])
    assert letters(figure.axes[3]) == ["A", "B", "C"]  # three levels, D is too near
    spaces = [Spike("<space>", 1, 1.0), Spike("X", 9, 1.0)]
    figure, _ = draw(rows=[Row("teacher", "red", NON_BLANK, spaces, 0.5)])
    assert letters(figure.axes[3]) == ["␣"]  # X is after the end
