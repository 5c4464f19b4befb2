"""Decode with ``espnet2.bin.asr_inference``, which then knows our encoders.

And transducers, for which stock ESPnet wants a package that one compiles. And
parameters of either release: ESPnet 202511 passes over some names of 202611 in
silence, and decodes with a layer that is random.
"""

import sys
import tempfile
from pathlib import Path

import torch
from espnet2.bin import asr_inference

import espnet_tutornet.encoder.register  # noqa: F401
from espnet_tutornet.layers.rnnt_loss import provide_rnnt_loss
from espnet_tutornet.teacher.loading import load_config, translate_names
from espnet_tutornet.utils.command import exit_on_error


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
    if args.asr_train_config:
        decoder = getattr(load_config(args.asr_train_config), "decoder", None)
        provide_rnnt_loss(decoder)
    with tempfile.TemporaryDirectory() as directory:
        if args.asr_train_config and args.asr_model_file:
            renamed = translate_names(args.asr_train_config, args.asr_model_file)
            if renamed is not None:
                path = Path(directory, "model.pth")
                torch.save(renamed, path)
                words += ["--asr_model_file", str(path)]
        asr_inference.main(words)


if __name__ == "__main__":
    main()
