"""Import what the jobs of a recipe run: they import the rest."""

import gc
import importlib
import io
from contextlib import redirect_stderr, redirect_stdout

MODULES = (
    "espnet2.bin.asr_train",
    "espnet2.bin.asr_inference",
    "espnet_tutornet.bin.asr_train",
    "espnet_tutornet.bin.asr_inference",
    "espnet_tutornet.bin.best_path",
    "espnet_tutornet.bin.export_student",
    "espnet_tutornet.bin.measure_models",
    "espnet_tutornet.bin.tutornet_train",
)
gc.disable()  # going through all that ESPnet makes takes 4 s of 11
with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
    for module in MODULES:
        importlib.import_module(module)  # some greet on import
gc.freeze()  # nor do forks go through it
gc.enable()
