import numpy as np

from espnet_tutornet.report.show_offsets import Heard, summarise_heard


def test_similarity_is_that_of_all_frames_and_of_those_with_a_token():
    rng = np.random.default_rng(0)
    theirs, noise = rng.normal(size=(2, 40, 3))
    tokens = np.arange(40) % 4 == 0
    ours = np.where(tokens[:, None], 2.0 * theirs, noise)  # alike at tokens alone
    halves = slice(0, 20), slice(20, 40)
    heard = Heard(
        ours=[ours[half] for half in halves],
        theirs=[theirs[half] for half in halves],
        tokens=[tokens[half] for half in halves],
    )
    everywhere, at_tokens, *first = summarise_heard(heard)[-4:]
    assert float(everywhere) < 0.6 and at_tokens == "1.00"
    assert first == ["-", "-"]
    heard.first, heard.ours = heard.ours, [noise[half] for half in halves]
    assert summarise_heard(heard)[-2:] == [everywhere, at_tokens]
    assert float(summarise_heard(heard)[-3]) < 0.6


def test_no_token_is_no_similarity():
    frames = np.arange(6.0).reshape(3, 2)
    heard = Heard(ours=[frames], theirs=[frames], tokens=[np.zeros(3, bool)])
    assert summarise_heard(heard)[-4:] == ["1.00", "-", "-", "-"]
