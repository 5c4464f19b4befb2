"""Decode with ``espnet2.bin.asr_inference``, which then knows our encoders."""

from espnet2.bin import asr_inference

import espnet_tutornet.encoder.register  # noqa: F401
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
    asr_inference.main(cmd)


if __name__ == "__main__":
    main()
