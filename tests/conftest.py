"""Shared fixtures: tiny ESPnet models, built as ESPnet builds them, and tiny audio.

ESPnet is imported inside the fixtures: tests of losses, layers and recipe do without.
"""

import argparse
import copy
import gc
from multiprocessing import forkserver, get_context

import numpy as np
import pytest
import soundfile
import torch
import yaml

torch.set_num_threads(1)
gc.disable()  # until all is imported: going through ESPnet's objects took 4 s

TOKENS = ["<blank>", "<unk>", "A", "B", "C", "D", "<sos/eos>"]
HOP = 160
SELF_ATTENTION = dict(output_size=8, attention_heads=2, linear_units=8, num_blocks=2)
RECURRENT = dict(num_layers=2, hidden_size=6, output_size=10, rnn_type="gru")


def _conformer(input_layer):
    return "conformer", {
        **SELF_ATTENTION,
        "input_layer": input_layer,
        "cnn_module_kernel": 3,
        "rel_pos_type": "latest",
        "pos_enc_layer_type": "rel_pos",
        "selfattention_layer_type": "rel_selfattn",
    }


# relative positions as ESPnet had them until 2021, and has them unless told otherwise
LEGACY = {
    **_conformer("conv2d")[1],
    "rel_pos_type": "legacy",
    "pos_enc_layer_type": "legacy_rel_pos",
    "selfattention_layer_type": "legacy_rel_selfattn",
}
BRANCHFORMER = {
    "output_size": 8,
    "attention_heads": 2,
    "num_blocks": 2,
    "input_layer": "conv2d",
    "cgmlp_linear_units": 8,
    "cgmlp_conv_kernel": 3,
    "rel_pos_type": "latest",
    "pos_enc_layer_type": "rel_pos",
    "attention_layer_type": "rel_selfattn",
}
E_BRANCHFORMER = {**BRANCHFORMER, "linear_units": 8, "merge_conv_kernel": 3}
MULTICONV = {
    **SELF_ATTENTION,
    "input_layer": "conv2d",
    "cgmlp_linear_units": 8,
    "multicgmlp_kernel_sizes": "3,5",
    "rel_pos_type": "latest",
    "pos_enc_layer_type": "rel_pos",
    "selfattention_layer_type": "rel_selfattn",
}
CONTEXTUAL = {
    **SELF_ATTENTION,
    "input_layer": "conv2d",
    "block_size": 8,
    "hop_size": 4,
    "look_ahead": 2,
    "init_average": True,
    "ctx_pos_enc": True,
}

JASPER = {
    "blocks": [
        {"filters": 8, "kernel": 3, "stride": 2},
        {"filters": 8, "kernel": 5, "repeat": 2, "residual": True},
        {"filters": 10, "kernel": 3, "residual": True},
    ]
}
DEEPSPEECH2 = dict(
    conv_channels=2, num_layers=1, hidden_size=6, output_size=10, dropout=0.0
)

# name -> (encoder, encoder_conf, feature frames an output frame)
ENCODERS = {
    "conformer": (*_conformer("conv2d"), 4),
    "conformer_conv2d1": (*_conformer("conv2d1"), 1),
    "conformer_conv2d2": (*_conformer("conv2d2"), 2),
    "conformer_conv2d6": (*_conformer("conv2d6"), 6),
    "conformer_conv2d8": (*_conformer("conv2d8"), 8),
    "branchformer": ("branchformer", BRANCHFORMER, 4),
    "contextual_conformer": ("contextual_block_conformer", CONTEXTUAL, 4),
    "contextual_transformer": ("contextual_block_transformer", CONTEXTUAL, 4),
    "deepspeech2": ("deepspeech2", DEEPSPEECH2, 2),
    "e_branchformer": ("e_branchformer", E_BRANCHFORMER, 4),
    "jasper": ("jasper", JASPER, 2),
    "multiconv_conformer": ("multiconv_conformer", MULTICONV, 4),
    "transformer": ("transformer", {**SELF_ATTENTION, "input_layer": "conv2d"}, 4),
    "rnn": ("rnn", {**RECURRENT, "subsample": [2, 2]}, 4),
    "vgg_rnn": ("vgg_rnn", RECURRENT, 4),
}
# kinds of these that differ in how they read padded frames
KINDS = {
    "conformer_conv1d": (
        "conformer",
        {**_conformer("conv2d")[1], "positionwise_layer_type": "conv1d"},
        4,
    ),
    "conformer_legacy": ("conformer", LEGACY, 4),
}
DECODER = dict(attention_heads=2, linear_units=8, num_blocks=1)


@pytest.fixture(scope="session")
def tokens():
    return list(TOKENS)


@pytest.fixture(scope="session")
def hop():
    return HOP


@pytest.fixture(scope="session")
def make_args():
    """Return make_args(encoder name, **arguments): what ``ASRTask.build_model`` takes.

    Blocks such as model_conf are laid over ESPnet's defaults.
    """
    from espnet2.tasks.asr import ASRTask

    import espnet_tutornet.encoder.register  # noqa: F401

    defaults = ASRTask.get_default_config()

    def make(encoder="conformer", **given):
        args = copy.deepcopy(defaults)
        args["encoder"], conf, _ = {**ENCODERS, **KINDS}[encoder]
        args["encoder_conf"] = dict(conf)
        args["token_list"] = list(TOKENS)
        args["frontend_conf"] = dict(n_mels=20, hop_length=HOP, win_length=400)
        args["model_conf"]["ctc_weight"] = 1.0
        args["decoder"] = None
        if given.pop("hybrid", False):
            args["decoder"], args["decoder_conf"] = "transformer", dict(DECODER)
            args["model_conf"]["ctc_weight"] = 0.3
        for key, value in given.items():
            if isinstance(value, dict):
                args[key] = {**(args.get(key) or {}), **value}
            else:
                args[key] = value
        return argparse.Namespace(**args)

    return make


@pytest.fixture(scope="session")
def build_asr(make_args):
    """Return build_asr(seed, encoder name, **arguments): a stock model in eval mode."""
    from espnet2.tasks.asr import ASRTask

    def build(seed, encoder="conformer", **given):
        torch.manual_seed(seed)
        return ASRTask.build_model(make_args(encoder, **given)).eval()

    return build


@pytest.fixture(scope="session")
def shake():
    """Return shake(model): biases and norms get values that training could give."""

    def run(model):
        torch.manual_seed(0)
        for parameter in model.parameters():
            if parameter.dim() == 1:
                torch.nn.init.normal_(parameter, std=0.3)
        return model

    return run


@pytest.fixture(scope="session")
def build_student(make_args):
    """Return build_student(seed, encoder name, **arguments), without distillation."""
    from espnet_tutornet.tasks.asr_tutornet import TutorNetTask

    def build(seed, encoder="conformer", **given):
        torch.manual_seed(seed)
        return TutorNetTask.build_model(make_args(encoder, **given))

    return build


@pytest.fixture(scope="session")
def save_asr(build_asr, make_args):
    """Return save_asr(dir, seed, encoder, **arguments): config.yaml and model.pth."""

    def save(directory, seed, encoder="conformer", **given):
        directory.mkdir(parents=True, exist_ok=True)
        model = build_asr(seed, encoder, **given)
        config, parameters = directory / "config.yaml", directory / "model.pth"
        config.write_text(yaml.safe_dump(vars(make_args(encoder, **given))))
        torch.save(model.state_dict(), parameters)
        return config, parameters

    return save


@pytest.fixture(scope="session")
def teacher_files(save_asr, tmp_path_factory):
    """Return (config.yaml, model.pth) of a conformer with SpecAug."""
    specaug_conf = dict(
        apply_time_warp=False,
        apply_freq_mask=True,
        freq_mask_width_range=[4, 8],
        num_freq_mask=2,
        apply_time_mask=False,
    )
    return save_asr(
        tmp_path_factory.mktemp("teacher"),
        1,
        specaug="specaug",
        specaug_conf=specaug_conf,
        encoder_conf=dict(output_size=12),
    )


@pytest.fixture
def batch():
    """Return two utterances of noise, longest first, with transcripts."""
    generator = torch.Generator().manual_seed(0)
    lengths = torch.tensor([9600, 8000])
    speech = torch.randn(2, 9600, generator=generator)
    speech[1, 8000:] = 0.0
    return dict(
        speech=speech,
        speech_lengths=lengths,
        text=torch.tensor([[2, 3, 4], [5, 2, -1]]),
        text_lengths=torch.tensor([3, 2]),
    )


@pytest.fixture(scope="session")
def wav_data(tmp_path_factory):
    """Return a data directory of three short utterances: wav.scp, text, shapes."""
    directory = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    scp, text, shapes = [], [], []
    for index, samples in enumerate((8000, 9600, 11200)):
        wav = directory / f"u{index}.wav"
        soundfile.write(wav, rng.uniform(-0.1, 0.1, samples), 16000)
        scp.append(f"u{index} {wav}\n")
        text.append(f"u{index} A B\n")
        shapes.append(f"u{index} {samples}\n")
    (directory / "wav.scp").write_text("".join(scp))
    (directory / "text").write_text("".join(text))
    (directory / "speech_shape").write_text("".join(shapes))
    return directory


@pytest.fixture(scope="session")
def training_words(make_args, tokens, tmp_path_factory):
    """Return training_words(out, data): of a training of batches of one utterance."""
    root = tmp_path_factory.mktemp("training")
    args = vars(make_args("rnn"))
    keys = ("encoder", "encoder_conf", "frontend_conf", "model_conf")
    conf = {key: args[key] for key in keys}
    conf.update(batch_type="sorted", batch_size=1, max_epoch=3, num_workers=0)
    conf.update(use_tensorboard=False, use_matplotlib=False, num_att_plot=0)
    conf.update(optim_conf={"lr": 0.001})
    (root / "train.yaml").write_text(yaml.safe_dump(conf))
    (root / "tokens.txt").write_text("\n".join(tokens) + "\n")

    def make(out, data):
        words = ["--config", root / "train.yaml", "--output_dir", out, "--ngpu", 0]
        words += ["--token_type", "word", "--token_list", root / "tokens.txt"]
        words += ["--resume", "true"]
        for mode in ("train", "valid"):
            kind = f"--{mode}_data_path_and_name_and_type"
            words += [kind, f"{data}/wav.scp,speech,sound"]
            words += [kind, f"{data}/text,text,text"]
            words += [f"--{mode}_shape_file", data / "speech_shape"]
        return list(map(str, words))

    return make


@pytest.fixture(scope="session")
def nan_data(wav_data, tmp_path_factory):
    """Return a copy of wav_data where one sample of u0 is NaN."""
    directory = tmp_path_factory.mktemp("nan")
    for name in ("text", "speech_shape"):
        (directory / name).write_text((wav_data / name).read_text())
    samples, fs = soundfile.read(wav_data / "u0.wav")
    samples[7] = np.nan
    soundfile.write(directory / "u0.wav", samples, fs, subtype="FLOAT")
    scp = (wav_data / "wav.scp").read_text().splitlines()
    scp[0] = f"u0 {directory}/u0.wav"
    (directory / "wav.scp").write_text("\n".join(scp) + "\n")
    return directory


@pytest.fixture(scope="session")
def espnet_server():
    """Return how to start processes that have ESPnet loaded, as comparisons do.

    A server loads it once (8 s) and is forked for each. It has no threads.
    """
    context = get_context("forkserver")
    context.set_forkserver_preload(["espnet_tutornet.jobs.preload"])
    forkserver.ensure_running()
    return context


def pytest_collection_finish():
    gc.freeze()
    gc.enable()


def pytest_generate_tests(metafunc):
    for name in ("encoder_name", "teacher_name", "student_name"):
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, sorted(ENCODERS))
    if "encoder_kind" in metafunc.fixturenames:
        metafunc.parametrize("encoder_kind", sorted({**ENCODERS, **KINDS}))


@pytest.fixture(scope="session")
def subsampling_of():
    """Return a function: encoder name -> feature frames an output frame."""
    return lambda name: ENCODERS[name][2]
