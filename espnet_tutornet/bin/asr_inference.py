"""Decode with ``espnet2.bin.asr_inference``, which then knows our encoders.

And transducers, for which stock ESPnet wants a package that one compiles; those that
stand alone by ``espnet2.bin.asr_transducer_inference``. And parameters of either
release: ESPnet 202511 passes over some names of 202611 in silence, and decodes with a
layer that is random. And audio of a few samples.
"""

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any, Dict, List, Mapping, Tuple

from espnet2.bin import asr_inference, asr_transducer_inference

import espnet_tutornet.encoder.register  # noqa: F401
from espnet_tutornet.data.data_dir import read_two_columns
from espnet_tutornet.layers.rnnt_loss import provide_rnnt_loss
from espnet_tutornet.student.short_audio import (
    add_empty,
    describe,
    find_short,
    half_window,
)
from espnet_tutornet.teacher.loading import espnet_loads_so, load_config
from espnet_tutornet.utils.command import exit_on_error
from espnet_tutornet.utils.espnet_task import find_task


def get_parser():
    """Return ESPnet's ASR inference parser."""
    return asr_inference.get_parser()


@exit_on_error
def main(cmd=None):
    """Decode; all of ``asr_inference``'s options hold, for any ESPnet ASR model.

    Example:
        % python -m espnet_tutornet.bin.asr_inference --output_dir out \
            --asr_train_config config.yaml --asr_model_file model.pth \
            --data_path_and_name_and_type wav.scp,speech,sound ...
    """
    words = list(sys.argv[1:] if cmd is None else cmd)
    args = get_parser().parse_args(words)
    conf: Dict[str, Any] = {}
    if args.asr_train_config:
        conf = vars(load_config(args.asr_train_config))
        provide_rnnt_loss(conf.get("decoder"))
    wavs, short = _find_short(args, conf)
    with tempfile.TemporaryDirectory() as directory:
        if short:
            path = Path(directory, "utterances")
            path.write_text("".join(f"{i} x\n" for i in wavs if i not in short))
            words += ["--key_file", str(path)]
        if len(short) < len(wavs) or not wavs:
            _decode(words, conf if args.asr_model_file else {})
    if short:
        add_empty(Path(args.output_dir, "1best_recog"), short)
        print(describe(short))


def _decode(words: List[str], conf: Mapping[str, Any]) -> None:
    """Run ESPnet's search; without a configuration it finds the model by itself."""
    if not conf:
        asr_inference.main(words)
        return
    transducer = find_task(conf) == "asr_transducer"
    with espnet_loads_so():
        (asr_transducer_inference if transducer else asr_inference).main(words)


def _find_short(
    args: argparse.Namespace, conf: Mapping[str, Any]
) -> Tuple[Dict[str, str], List[str]]:
    """Return audio by utterance and who is too short, where both can be told."""
    data = args.data_path_and_name_and_type
    if not conf or len(data) != 1 or data[0][2] != "sound":
        return {}, []
    wavs = read_two_columns(data[0][0])
    if args.key_file:
        wavs = {i: wavs[i] for i in read_two_columns(args.key_file) if i in wavs}
    return wavs, find_short(wavs, half_window(conf))


if __name__ == "__main__":
    main()
