import pytest
import torch
from torch import nn

from espnet_tutornet.student.cost import (
    count_macs,
    macs_per_second,
    quantize_linear,
    real_time_factor,
    saved_bytes,
)
from espnet_tutornet.teacher.loading import load_model


def packed(frames, width):
    lengths = torch.tensor([frames])
    x = torch.zeros(1, frames, width)
    return nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True)


@pytest.mark.parametrize(
    "module, x, macs",
    [
        (nn.Linear(10, 20), torch.zeros(1, 25, 10), 25 * 10 * 20),
        # 12 frames and a kernel of 3 leave 10
        (nn.Conv1d(6, 8, 3), torch.zeros(1, 6, 12), 10 * 3 * 6 * 8),
        (nn.Conv1d(8, 8, 3, groups=8), torch.zeros(1, 8, 12), 10 * 3 * 8),
        # 9 x 7 and a stride of 2 leave 4 x 3
        (nn.Conv2d(1, 4, 3, stride=2), torch.zeros(1, 1, 9, 7), 4 * 3 * 9 * 4),
        (nn.GRU(5, 7, batch_first=True), torch.zeros(1, 11, 5), 11 * 3 * 7 * (5 + 7)),
        (nn.GRU(5, 7), packed(11, 5), 11 * 3 * 7 * (5 + 7)),
        # the second of two layers takes both directions of the first
        (
            nn.GRU(5, 7, 2, bidirectional=True),
            packed(11, 5),
            11 * 3 * 7 * 2 * ((5 + 7) + (14 + 7)),
        ),
        (
            nn.LSTM(5, 7, 2, bidirectional=True),
            packed(11, 5),
            11 * 4 * 7 * 2 * ((5 + 7) + (14 + 7)),
        ),
        (nn.LSTM(5, 7, batch_first=True), torch.zeros(1, 11, 5), 11 * 4 * 7 * (5 + 7)),
        (nn.RNN(5, 7), packed(11, 5), 11 * 7 * (5 + 7)),
    ],
)
def test_macs_of_a_layer_are_those_worked_out_by_hand(module, x, macs):
    assert count_macs(module.eval(), x) == macs


def test_attention_counts_scores_and_values():
    query, keys = torch.zeros(1, 2, 9, 4), torch.zeros(1, 2, 6, 4)  # (B, heads, T, D)
    attend = nn.functional.scaled_dot_product_attention
    assert count_macs(attend, query, keys, keys) == 2 * (9 * 6 * 4 + 9 * 6 * 4)
    product = count_macs(lambda q, k: q @ k.transpose(-2, -1), query, keys)
    assert product == 2 * 9 * 6 * 4


def test_element_wise_work_and_fourier_transforms_do_not_count():
    wave = torch.zeros(1, 4000)
    window = torch.ones(400)

    def features(wave):
        spectrum = torch.stft(wave, 400, window=window, return_complex=True)
        return nn.functional.layer_norm(spectrum.abs().log1p(), [41]).softmax(-1)

    assert count_macs(features, wave) == 0


class Ten(nn.Module):
    """Ten samples a frame: a linear layer of 10 -> 20, and a CTC of 20 -> 7."""

    def __init__(self):
        super().__init__()
        self.linear, self.ctc_lo = nn.Linear(10, 20), nn.Linear(20, 7)
        self.ctc, self.blank_id = self, 0

    def encode(self, speech, speech_lengths):
        return self.linear(speech.view(1, -1, 10)), speech_lengths // 10

    def argmax(self, encoder_out):
        return self.ctc_lo(encoder_out).argmax(-1)


def test_macs_a_second_are_those_of_25_frames():
    model = Ten()
    assert macs_per_second(model, fs=250) == 25 * (10 * 20 + 20 * 7)
    model.ctc = None
    assert macs_per_second(model, fs=250) == 25 * 10 * 20


def test_macs_of_an_espnet_model_are_those_worked_out_by_hand(build_asr):
    # two bidirectional GRUs of 6, each subsampled by 2, then projected to 10
    model = build_asr(0, "rnn", frontend_conf=dict(hop_length=640))
    mel = 251 * 257 * 20  # 10 s in hops of 40 ms
    first = 251 * 2 * 3 * 6 * (20 + 6) + 126 * 12 * 10
    second = 126 * 2 * 3 * 6 * (10 + 6) + 63 * 12 * 10
    ctc = 63 * 10 * 7
    assert macs_per_second(model, fs=16000) == (mel + first + second + ctc) / 10


class Clocked(nn.Module):
    """Advances a clock of its own by 0.5 s for each utterance."""

    ctc = None

    def __init__(self):
        super().__init__()
        self.now, self.seen = 0.0, []

    def encode(self, speech, speech_lengths):
        self.now += 0.5
        self.seen.append(tuple(speech.shape))
        return (speech, None), speech_lengths


def test_the_warm_up_does_not_count(monkeypatch):
    model = Clocked()
    monkeypatch.setattr("time.perf_counter", lambda: model.now)
    waves = [torch.zeros(8000), torch.zeros(24000)]
    # two utterances of 0.5 s work each, on 4 s of audio
    assert real_time_factor(model, waves, fs=8000) == pytest.approx(0.25)
    assert model.seen == [(1, 8000), (1, 8000), (1, 24000)]


def test_int8_is_that_of_espnet(save_asr, tmp_path):
    from espnet2.bin.asr_inference import Speech2Text

    config, model_file = save_asr(tmp_path, 0)
    stock = Speech2Text(config, model_file, quantize_asr_model=True).asr_model
    ours = quantize_linear(load_model(config, model_file)[0])
    kinds = {name: type(module) for name, module in stock.named_modules()}
    assert {name: type(module) for name, module in ours.named_modules()} == kinds
    assert torch.ao.nn.quantized.dynamic.Linear in kinds.values()
    speech = torch.randn(1, 8000, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        found = [m.encode(speech, torch.tensor([8000]))[0] for m in (ours, stock)]
    assert torch.equal(*found)


def test_int8_of_a_model_without_linear_layers_is_the_model():
    model = nn.Sequential(nn.Conv1d(2, 3, 1)).eval()
    x = torch.ones(1, 2, 5)
    assert torch.equal(quantize_linear(model)(x), model(x))


def test_bytes_are_four_a_weight_and_one_in_int8():
    model = nn.Sequential(nn.Linear(1000, 1000))
    assert saved_bytes(model) == pytest.approx(4 * 1_001_000, rel=0.01)
    # the bias stays float32
    assert saved_bytes(quantize_linear(model)) == pytest.approx(1_004_000, rel=0.01)
    assert type(model[0]) is nn.Linear  # the original stays


def test_bytes_are_those_of_the_file(build_asr, tmp_path):
    model = build_asr(0)
    torch.save(model.state_dict(), tmp_path / "archive.pth")  # name as in the file
    assert saved_bytes(model) == (tmp_path / "archive.pth").stat().st_size
