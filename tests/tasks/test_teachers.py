import argparse
import shutil

import pytest
import torch
from espnet2.tasks.abs_task import IteratorOptions

from espnet_tutornet.bin.dump_teacher import main as dump_teacher
from espnet_tutornet.distill.distiller import TermNeeds
from espnet_tutornet.tasks.asr_tutornet import TutorNetTask
from espnet_tutornet.tasks.teachers import (
    add_cache_stream,
    build_teacher,
    check_teacher_conf,
    refuse_augmentation,
    streams_of,
)
from espnet_tutornet.teacher.cached import CachedTeacher
from espnet_tutornet.teacher.ensemble import TeacherEnsemble
from espnet_tutornet.teacher.online import OnlineTeacher

NEEDS = TermNeeds(("last",), ("last",), True)


@pytest.fixture(scope="module")
def files(teacher_files):
    return dict(zip(("config", "model"), map(str, teacher_files)))


@pytest.fixture(scope="module")
def cache(files, wav_data, tmp_path_factory):
    out_dir = tmp_path_factory.mktemp("cache")
    lines = (wav_data / "speech_shape").read_text()
    (wav_data / "utt2num_samples").write_text(lines)
    dump_teacher(
        ["--teacher_config", files["config"], "--teacher_model", files["model"]]
        + ["--data_dirs", str(wav_data), "--out_dir", str(out_dir)]
        + ["--hidden_form", "two_byte", "--top_k", "7"]
    )
    return str(out_dir)


def test_a_cache_and_a_model_give_the_two_kinds(files, cache):
    assert isinstance(build_teacher(files, NEEDS), OnlineTeacher)
    teacher = build_teacher({"cache": cache}, NEEDS)
    assert isinstance(teacher, CachedTeacher) and teacher.substitute is None
    both = build_teacher({**files, "cache": cache, "missing": "online"}, NEEDS)
    assert isinstance(both.substitute, OnlineTeacher)


def test_a_cache_has_nothing_for_the_decoder(files, cache):
    with pytest.raises(ValueError, match="keeps no posteriors of the attention dec"):
        build_teacher({"cache": cache}, NEEDS._replace(decoder=True))


def test_several_teachers_online_and_cached(files, cache):
    conf = {"members": {"a": {"cache": cache}, "b": files}, "combine": "best"}
    check_teacher_conf(conf)
    ensemble = build_teacher(conf, NEEDS)
    assert isinstance(ensemble, TeacherEnsemble)
    first, second = ensemble.members.values()
    assert isinstance(first, CachedTeacher) and first.stream == "teacher_a"
    assert isinstance(second, OnlineTeacher) and second.layers == ()
    assert streams_of(conf) == {"teacher_a": {"cache": cache}}
    assert streams_of({"cache": cache}) == {"teacher": {"cache": cache}}
    assert streams_of(files) == {}


def test_decoders_are_combined_also_where_no_term_reads_ctc(save_asr, batch, tmp_path):
    members = {}
    for name, seed in (("a", 7), ("b", 8)):
        paths = save_asr(tmp_path / name, seed, hybrid=True)
        members[name] = dict(zip(("config", "model"), map(str, paths)))
    needs = TermNeeds(("last",), (), posteriors=False, decoder=True)
    said = [build_teacher(files, needs)(batch) for files in members.values()]
    probs = [outputs.decoder_log_probs.exp() for outputs in said]
    assert not torch.allclose(*probs)
    both = build_teacher({"members": members}, needs)(batch)
    torch.testing.assert_close(both.decoder_log_probs.exp(), sum(probs) / 2)


def test_a_cache_of_another_teacher_is_refused(cache, save_asr, tmp_path):
    other = dict(zip(("config", "model"), map(str, save_asr(tmp_path, 9))))
    with pytest.raises(RuntimeError, match="outputs of another teacher.*stage 8"):
        build_teacher({**other, "cache": cache}, NEEDS)


def test_a_flipped_bit_is_found_before_the_training(cache, tmp_path):
    copy = tmp_path / "cache"
    shutil.copytree(cache, copy)
    path = copy / "shards/00000/last.ark"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(RuntimeError, match="00000/last.ark has another checksum"):
        build_teacher({"cache": str(copy)}, NEEDS)


@pytest.mark.parametrize(
    "conf, message",
    [
        ({"dir": "x"}, r"unknown keys \['dir'\].*'cache', 'config', 'missing'"),
        ({"config": "x"}, r"\['model'\] missing.*give cache"),
        ({"missing": "skip"}, r"\['config', 'model'\] missing"),
        ({"cache": "x", "config": "y"}, r"\['model'\] missing"),
        ({"cache": "x", "missing": "online"}, r"\['config', 'model'\] missing"),
        ({"cache": "x", "missing": "no"}, r"one of \['error', 'online', 'skip'\]"),
        ({"config": "x", "model": "y", "missing": "skip"}, "but there is no cache"),
        ({"members": {}, "cache": "x"}, r"unknown keys \['cache'\].*'combine'"),
        ({"members": {"a": {"config": "x"}}}, r"\['model'\] missing"),
    ],
)
def test_a_block_that_names_no_teacher_is_refused(conf, message):
    with pytest.raises(ValueError, match=message):
        check_teacher_conf(conf)


@pytest.mark.parametrize(
    "given",
    [
        {"rir_scp": "rirs.scp"},
        {"noise_scp": "noises.scp"},
        {"speech_volume_normalize": 0.5},
        {"preprocessor_conf": {"data_aug_effects": [[1.0, "lowpass", {}]]}},
    ],
)
def test_audio_that_changes_beside_a_cache_is_refused(given):
    name = next(iter(given))
    with pytest.raises(ValueError, match=f"{name}.*--teacher_outputs online.*speed_p"):
        refuse_augmentation(argparse.Namespace(**given))
    refuse_augmentation(argparse.Namespace(rir_scp=None, preprocessor_conf={}))


def options_for(shape_file):
    return IteratorOptions(
        preprocess_fn=None,
        collate_fn=None,
        data_path_and_name_and_type=[("wav.scp", "speech", "sound")],
        shape_files=[str(shape_file)],
        batch_size=2,
        batch_bins=0,
        batch_type="sorted",
        max_cache_size=0.0,
        max_cache_fd=0,
        allow_multi_rates=False,
        distributed=False,
        num_batches=None,
        num_iters_per_epoch=None,
        train=True,
    )


@pytest.fixture
def longer(wav_data, tmp_path):
    """Return a shape file with an utterance that the cache lacks."""
    path = tmp_path / "shape"
    path.write_text((wav_data / "speech_shape").read_text() + "u7 9000\nu8 9000\n")
    return path


def test_the_stream_is_added(cache, wav_data, tmp_path):
    options = options_for(wav_data / "speech_shape")
    new = add_cache_stream(options, {"cache": cache}, tmp_path, "train")
    assert new.data_path_and_name_and_type == [
        ("wav.scp", "speech", "sound"),
        (cache, "teacher", "tutornet_cache"),
    ]
    assert new.shape_files == options.shape_files


def test_utterances_that_are_not_there_are_listed(cache, longer, tmp_path):
    conf = {"cache": cache}
    with pytest.raises(ValueError, match="2 utterances of the train set.*u7, u8.*skip"):
        add_cache_stream(options_for(longer), conf, tmp_path, "train")


def test_utterances_that_are_not_there_are_skipped(cache, longer, wav_data, tmp_path):
    conf = {"cache": cache, "missing": "skip"}
    new = add_cache_stream(options_for(longer), conf, tmp_path, "train")
    with open(new.shape_files[0]) as f:
        assert f.read() == (wav_data / "speech_shape").read_text()


def test_utterances_that_are_not_there_stay_for_the_online_teacher(
    cache, longer, tmp_path
):
    conf = {"cache": cache, "missing": "online"}
    new = add_cache_stream(options_for(longer), conf, tmp_path, "train")
    assert new.shape_files == [str(longer)]


def test_both_kinds_say_the_same(files, cache, wav_data):
    from espnet2.train.dataset import ESPnetDataset

    triples = [(str(wav_data / "wav.scp"), "speech", "sound")]
    triples.append((cache, "teacher", "tutornet_cache"))
    data = ESPnetDataset(triples)
    _, item = data["u2"]
    batch = {name: torch.as_tensor(x).unsqueeze(0) for name, x in item.items()}
    batch["speech_lengths"] = torch.tensor([batch["speech"].size(1)])
    batch["teacher_lengths"] = torch.tensor([batch["teacher"].size(1)])
    online = build_teacher(files, NEEDS)(batch)
    cached = build_teacher({"cache": cache}, NEEDS)(batch)
    # alone in its batch an utterance may have one frame less than among others
    frames = int(torch.minimum(online.lens, cached.lens))
    assert abs(int(online.lens - cached.lens)) <= 1
    for mine, theirs, atol in (
        (online.hidden["last"], cached.hidden["last"], 1e-3),
        (online.log_probs.exp(), cached.log_probs.exp(), 1e-3),
    ):
        torch.testing.assert_close(
            mine[:, :frames], theirs[:, :frames], atol=atol, rtol=0
        )


def test_adapters_start_alike_whichever_kind_teaches(files, cache, make_args):
    adapters = []
    for teacher in (files, {"cache": cache}):
        torch.manual_seed(3)
        conf = {"teacher": teacher, "terms": {"rkd": {}}}
        model = TutorNetTask.build_model(make_args(distill_conf=conf))
        adapters.append(model.distiller.state_dict())
    online, cached = adapters
    assert online and all(torch.equal(v, cached[k]) for k, v in online.items())
