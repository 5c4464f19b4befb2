import numpy as np
import pytest
import soundfile

from espnet_tutornet.data.data_dir import Utterance, write_data_dir


@pytest.fixture
def data_dir(tmp_path, monkeypatch):
    """Return data/train, of one utterance a.wav, in a working directory of its own."""
    monkeypatch.chdir(tmp_path)
    noise = np.random.default_rng(0).normal(scale=0.1, size=900)
    soundfile.write("a.wav", noise, 8000)
    write_data_dir("data/train", [Utterance("1-2-0000", "1", "a.wav", 900, "ONE")])
    return "data/train"
