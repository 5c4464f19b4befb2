"""The data of ESPnet3's trainer; its run is in tests/integration/test_espnet3.py."""

from importlib.util import find_spec

import numpy as np
import pytest
import soundfile
import torch

from espnet_tutornet.bin.dump_teacher import main as dump_teacher
from espnet_tutornet.cache.store import open_cache
from espnet_tutornet.tasks.espnet3 import DataDirectory, launch
from espnet_tutornet.utils.extras import find_missing

needs_espnet3 = pytest.mark.skipif(
    find_spec("espnet3") is None, reason="ESPnet without ESPnet3"
)


@pytest.fixture(scope="module")
def cache(teacher_files, wav_data, tmp_path_factory):
    """Return the outputs of a teacher for u0, u1 and u2."""
    (wav_data / "utt2num_samples").write_text((wav_data / "speech_shape").read_text())
    config, model = map(str, teacher_files)
    out = tmp_path_factory.mktemp("cache") / "outputs"
    words = ["--teacher_config", config, "--teacher_model", model, "--out_dir", out]
    words += ["--data_dirs", wav_data, "--hidden_form", "two_byte"]
    dump_teacher(list(map(str, words)))
    return out


def test_an_item_is_found_by_its_id_and_by_its_number(wav_data):
    data = DataDirectory(wav_data)
    assert len(data) == 3 and list(data.keys()) == ["u0", "u1", "u2"]
    expected, _ = soundfile.read(wav_data / "u1.wav", dtype="float32")
    for index in (1, "u1"):
        assert set(data[index]) == {"speech", "text"}
        assert np.array_equal(data[index]["speech"], expected)
        assert data[index]["text"] == "A B"
    with pytest.raises(KeyError):
        data["u7"]
    with pytest.raises(IndexError):
        data[3]


def test_the_outputs_of_its_teacher_are_brought_with_it(wav_data, cache):
    data = DataDirectory(wav_data, cache)
    for utt_id in data.keys():
        found = data[utt_id]["teacher"]
        assert found.dtype == np.float32 and len(found) > 5
        assert np.array_equal(found, open_cache(cache)[utt_id])


@needs_espnet3
def test_espnet3_hands_them_to_the_model_in_batches(wav_data, cache):
    from espnet2.train.collate_fn import CommonCollateFn
    from espnet3.components.data.dataset import CombinedDataset, do_nothing

    data = CombinedDataset(
        [DataDirectory(wav_data, cache)],
        [(lambda item: {k: v for k, v in item.items() if k != "text"}, do_nothing)],
    )
    data.use_espnet_collator = True
    ids, batch = CommonCollateFn()([data["u2"], data["u0"]])
    assert ids == ["u2", "u0"]
    kept = open_cache(cache)
    lens = [len(kept[utt_id]) for utt_id in ids]
    assert batch["teacher_lengths"].tolist() == lens
    assert torch.equal(batch["teacher"][1, : lens[1]], torch.tensor(kept["u0"]))


def test_paths_may_start_elsewhere(wav_data, tmp_path):
    (tmp_path / "wav.scp").write_text("u0 u0.wav\n")
    (tmp_path / "text").write_text("u0 A\n")
    assert len(DataDirectory(tmp_path, root=wav_data)["u0"]["speech"]) == 8000


@pytest.mark.parametrize(
    "ids, texts, message",
    [
        ("u0 u9", "u0", "1 utterances in .*wav.scp have no transcript: u9"),
        ("u0 1_2 77", "u0 1_2 77", "2 utterances .*reads as numbers: 1_2, 77.*before"),
        ("u0 b c d e f g", "u0 b c d e f g", "6 utt.* not in .*: b, c, d, e, f ...*8"),
    ],
)
def test_utterances_that_do_not_fit_are_named(tmp_path, cache, ids, texts, message):
    for name, words in (("wav.scp", ids), ("text", texts)):
        lines = (f"{word} {word}.wav\n" for word in words.split())
        (tmp_path / name).write_text("".join(lines))
    with pytest.raises(ValueError, match=message):
        DataDirectory(tmp_path, cache)


@pytest.mark.skipif(find_spec("espnet3") is not None, reason="ESPnet3 is installed")
def test_espnet_without_espnet3_is_refused():
    with pytest.raises(RuntimeError, match="has no ESPnet3, expected release 202611"):
        launch(["--stages", "train"])


@needs_espnet3
@pytest.mark.skipif(not find_missing("espnet3"), reason="the extra is installed")
def test_what_espnet3_lacks_is_named_with_its_extra():
    with pytest.raises(RuntimeError, match=r"needs. Install it: .*\[espnet3\]"):
        launch(["--stages", "train"])
