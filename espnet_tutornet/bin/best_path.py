"""Recognise by CTC's best path: the likeliest token of each frame, repeats merged.

What one does to compare hundreds of models: it costs what the network costs, where the
prefix search of ``espnet2.bin.asr_inference`` with a beam of one takes many times
that. It writes what that command writes: ``1best_recog/text``, ``token``,
``token_int``.
"""

import argparse
from contextlib import ExitStack
from pathlib import Path
from typing import List, Optional

import soundfile
import torch
from espnet2.text.build_tokenizer import build_tokenizer

from espnet_tutornet.data.data_dir import read_two_columns
from espnet_tutornet.student.best_path import TooShort, find_best_path
from espnet_tutornet.student.short_audio import FILES, describe
from espnet_tutornet.teacher.kinds import sampling_rate
from espnet_tutornet.teacher.loading import load_model
from espnet_tutornet.utils.command import exit_on_error
from espnet_tutornet.utils.files import atomic_write


def get_parser() -> argparse.ArgumentParser:
    """Return the argument parser; its names are those of ``asr_inference``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--asr_train_config", required=True, help="config.yaml")
    parser.add_argument("--asr_model_file", required=True, help="Its .pth")
    parser.add_argument("--wav_scp", type=Path, required=True, help="Kaldi's wav.scp")
    parser.add_argument("--output_dir", type=Path, required=True)
    return parser


def read_wave(path: str, fs: Optional[int]) -> torch.Tensor:
    """Read (S,) samples of one channel.

    Raises:
        ValueError: several channels, or another rate than ``fs`` Hz.
    """
    wave, rate = soundfile.read(path, dtype="float32")
    if wave.ndim != 1 or fs not in (None, rate):
        raise ValueError(
            f"{path}: expected one channel at {fs} Hz, as the model was trained, got "
            f"{wave.shape[1] if wave.ndim > 1 else 1} at {rate} Hz. Convert the audio."
        )
    return torch.from_numpy(wave)


@exit_on_error
def main(cmd=None) -> None:
    """Write the hypotheses of every utterance, empty ones of what is too short.

    Example:
        % python -m espnet_tutornet.bin.best_path --wav_scp data/test/wav.scp \
            --asr_train_config config.yaml --asr_model_file model.pth --output_dir out
    """
    args = get_parser().parse_args(cmd)
    model, conf = load_model(args.asr_train_config, args.asr_model_file)
    if model.ctc is None:
        raise ValueError(
            f"{args.asr_train_config}: best_path needs a CTC branch, but this model "
            "was trained without one (ctc_weight: 0). Decode with asr_inference."
        )
    tokenizer = build_tokenizer(conf.token_type, getattr(conf, "bpemodel", None))
    folder, fs = args.output_dir / "1best_recog", sampling_rate(conf)
    short: List[str] = []
    with ExitStack() as stack:
        files = [stack.enter_context(atomic_write(folder / name)) for name in FILES]
        for utt_id, path in read_two_columns(args.wav_scp).items():
            try:
                ids = find_best_path(model, read_wave(path, fs))
            except TooShort:
                ids = []
                short.append(utt_id)
            tokens: List[str] = [model.token_list[number] for number in ids]
            found = tokenizer.tokens2text(tokens), " ".join(tokens)
            for f, value in zip(files, (*found, " ".join(map(str, ids)))):
                print(utt_id, value, file=f)
    if short:
        print(describe(short))


if __name__ == "__main__":
    main()
