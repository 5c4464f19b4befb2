"""Put these encoders among ESPnet's choices; importing this module does it.

Without it ESPnet refuses them with the name that the configuration has. A configuration
that leaves for users of stock ESPnet therefore says ``needing_us("jasper")``: then that
message says what to run instead.
"""

from espnet2.tasks.asr import encoder_choices

from espnet_tutornet.encoder.deepspeech2 import DeepSpeech2Encoder
from espnet_tutornet.encoder.jasper import JasperEncoder

ENCODERS = {"jasper": JasperEncoder, "deepspeech2": DeepSpeech2Encoder}


def needing_us(name: str) -> str:
    """Return an encoder's name for configurations that stock ESPnet may meet.

    Lower case, as ESPnet looks names up.

    Example:
        >>> needing_us("jasper")
        'jasper (of espnet_tutornet: run python -m espnet_tutornet.bin.asr_inference)'
    """
    command = "python -m espnet_tutornet.bin.asr_inference"
    return f"{name} (of espnet_tutornet: run {command})"


def register_encoders() -> None:
    """Let ``encoder: jasper`` and ``encoder: deepspeech2`` mean ours from now on."""
    for name, encoder in ENCODERS.items():
        encoder_choices.classes[name] = encoder
        encoder_choices.classes[needing_us(name)] = encoder


register_encoders()
