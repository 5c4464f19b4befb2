from espnet_tutornet.data.mini.grammar import vocabulary
from espnet_tutornet.data.mini.plan import SPLITS, plan_corpus

PLANS = plan_corpus(1.0, seed=0)


def names(split):
    return {utterance.speaker.name for utterance in PLANS[split]}


def test_only_test_other_has_speakers_of_its_own():
    assert len(names("train-clean")) >= 8
    assert names("dev-clean") == names("test-clean") == names("train-clean")
    assert len(names("test-other")) >= 4
    assert not names("test-other") & names("train-clean")


def test_no_sentence_and_no_utt_id_occurs_twice():
    utterances = [utterance for plan in PLANS.values() for utterance in plan]
    assert len({u.text for u in utterances}) == len(utterances)
    assert len({u.utt_id for u in utterances}) == len(utterances)


def test_training_sentences_hold_every_word():
    words = {word for u in PLANS["train-clean"] for word in u.text.split()}
    assert words == vocabulary()


def test_noise_stays_in_the_range_of_the_split():
    for split in SPLITS:
        snrs = [u.snr for u in PLANS[split.name]]
        low, high = split.snr
        assert low <= min(snrs) < low + 1 and high - 1 < max(snrs) <= high
    assert {u.noise for u in PLANS["test-other"]} == {"white", "pink", "babble"}


def test_scale_shrinks_each_split_to_one_utterance_a_speaker_at_least():
    half, tiny = plan_corpus(0.5, seed=0), plan_corpus(0.001, seed=0)
    for split in SPLITS:
        assert len(PLANS[split.name]) == split.utterances
        assert len(half[split.name]) == split.utterances // 2
        assert len(tiny[split.name]) == len(split.speakers)


def test_seed_decides():
    assert plan_corpus(0.01, seed=1) == plan_corpus(0.01, seed=1)
    assert plan_corpus(0.01, seed=1) != plan_corpus(0.01, seed=2)
