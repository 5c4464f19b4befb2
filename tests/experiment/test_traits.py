"""How a model is decoded follows from what its configuration says that it has."""

import pytest
import yaml

from espnet_tutornet.experiment.fields import UsageError
from espnet_tutornet.experiment.methods import Method
from espnet_tutornet.experiment.traits import (
    check_writes_text,
    posteriors_to_keep,
    search_words,
    takes_best_path,
    writes_text,
)

WITH = {"model_conf": {"ctc_weight": 0.3}}
WITHOUT = {"model_conf": {"ctc_weight": 0.0}}
ALONE = {"joint_network_conf": {}, "model_conf": {"auxiliary_ctc_weight": 0.5}}


@pytest.fixture
def conf(tmp_path):
    """Return conf(content): the path of a configuration."""

    def write(content):
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.yaml"
        path.write_text(yaml.safe_dump(content))
        return str(path)

    return write


@pytest.mark.parametrize(
    "model, greedy, search, checks",
    [
        (WITH, True, False, True),
        (WITHOUT, False, False, False),
        ({**WITH, "decoder": "transducer"}, False, False, True),
        ({**WITH, "model": "maskctc"}, True, True, True),
        ({**WITH, "preprocessor": "s2t"}, True, True, True),
        ({"promptencoder": "transformer"}, True, True, True),
        (ALONE, True, True, True),
        ({"joint_network_conf": {}}, False, False, False),
        ({**WITH, "toolkit": "huggingface"}, True, True, True),
    ],
)
def test_best_paths_are_taken_where_there_is_ctc(conf, model, greedy, search, checks):
    path, by = conf(model), [conf({"search": "best_path"}), conf({"beam_size": 2})]
    found = [takes_best_path(path, each, False) for each in by]
    assert [*found, takes_best_path(path, by[1], True)] == [greedy, search, checks]


def test_an_encoder_alone_writes_no_text(conf):
    alone = conf({**WITHOUT, "toolkit": "huggingface"})
    assert not writes_text(alone)
    assert writes_text(conf(WITHOUT)), "by an attention decoder"
    assert writes_text(conf({**WITH, "toolkit": "huggingface"}))
    check_writes_text(conf(WITH))
    with pytest.raises(UsageError, match="--pseudo_labels true asks.*encoder alone"):
        check_writes_text(alone)


@pytest.mark.parametrize(
    "model, words",
    [
        (WITH, ["--config"]),
        (WITHOUT, ["--config", "--ctc_weight", "0.0"]),
        ({**WITHOUT, "decoder": "transducer"}, ["--config"]),
        ({"joint_network_conf": {}}, ["--beam_size", "2"]),
    ],
)
def test_a_search_does_without_what_the_model_lacks(conf, model, words):
    by = conf({"beam_size": 2})
    assert [w for w in search_words(conf(model), by) if w != by] == words
    if words[0] == "--config":
        greedy = search_words(conf(model), conf({"search": "best_path"}))
        assert greedy == ["--beam_size", "1", *words[1:]]


def test_posteriors_are_kept_of_who_has_them(conf, capsys):
    rkd, skd = Method.parse("rkd_task"), Method.parse("skd")
    assert posteriors_to_keep(conf(WITH), [skd], 8) == 8
    assert posteriors_to_keep(conf(WITHOUT), [rkd], 8) == 0
    assert "frame_weights: none or energy" in capsys.readouterr().out
    with pytest.raises(UsageError, match="--methods: skd learns.*has no CTC branch"):
        posteriors_to_keep(conf(WITHOUT), [rkd, skd], 8)
