"""How kinds of models are asked, and at which rate they hear."""

import argparse

import pytest
import torch

from espnet_tutornet.teacher.kinds import (
    check_lengths,
    check_sampling_rates,
    identity,
    sampling_rate,
)
from espnet_tutornet.utils.espnet_task import ADDED, find_task

OWSM_CTC = {"promptencoder": "transformer", "encoder_conf": {"output_size": 8}}
OWSM_CTC["token_list"] = ["<blank>", "<nolang>", "<eng>", "<asr>", "<st_eng>"]


@pytest.mark.parametrize(
    "conf, fs",
    [
        (dict(frontend="default", frontend_conf={}), 16000),
        (dict(frontend="default", frontend_conf=dict(fs="8k")), 8000),
        (dict(frontend="s3prl", frontend_conf=dict(frontend_conf={})), 16000),
        (dict(frontend="huggingface", frontend_conf=dict(model="a/b")), 16000),
        (dict(frontend="fused", frontend_conf={}), 16000),
        (dict(frontend=None, encoder="whisper"), 16000),
        (dict(frontend="sliding_window", frontend_conf={}), None),
        (dict(frontend="sliding_window", preencoder="sinc"), 16000),
        (
            dict(
                frontend="sliding_window", preencoder="sinc", preencoder_conf={"fs": 8}
            ),
            8,
        ),
        ({"frontend": "sliding_window", ADDED: {"fs": 44100}}, 44100),
        ({"frontend": "s3prl", ADDED: {"fs": 8000}}, 8000),
    ],
)
def test_the_rate_is_told_by_a_key_or_by_the_kind_of_network(conf, fs):
    assert sampling_rate(argparse.Namespace(**conf)) == fs


def test_a_rate_that_nothing_tells_is_an_error():
    """8 kHz went through all stages to a network for 16 kHz, without a word."""
    with pytest.raises(ValueError, match="the corpus is at 8000.*--teacher_fs 16000"):
        check_sampling_rates("the corpus is at", 8000, None)
    with pytest.raises(ValueError, match="trained at 16000 Hz and .* 8000. Resample"):
        check_sampling_rates("the corpus is at", 8000, 16000)
    check_sampling_rates("the corpus is at", 8000, 8000)
    check_sampling_rates("the student's frontend_conf says fs:", None, 8000)


def test_audio_that_is_too_long_is_named():
    model = torch.nn.Linear(1, 1)
    check_lengths(model, [10**9], ["a"])
    model.longest = 480_000
    check_lengths(model, [480_000, 3], ["a", "b"])
    message = "^b: too long for the teacher, 480001 samples, expected at most 480000"
    with pytest.raises(ValueError, match=message):
        check_lengths(model, [480_000, 480_001], ["a", "b"])
    with pytest.raises(ValueError, match="utterance 0 of the batch: too long"):
        check_lengths(model, [480_001])


def test_the_prompt_is_part_of_whose_outputs_a_cache_holds():
    confs = [{**OWSM_CTC, ADDED: {"lang": lang}} for lang in ("eng", "nolang")]
    found = [identity(conf)["encoder_conf"] for conf in confs]
    assert found[0]["prompt"] == ("<eng>", "<asr>") != found[1]["prompt"]
    assert identity(OWSM_CTC)["encoder_conf"] == found[1]
    other = {"encoder": "rnn", "encoder_conf": {"a": 1}}
    assert identity(other) == other and find_task(other) == "asr"
