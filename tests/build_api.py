"""Build pages of the API from the docstrings: build_api.py DIRECTORY.

What pdoc warns of ends it: an annotation that names nothing, a file that is not there.
"""

import sys
import warnings
from pathlib import Path

import pdoc
from pdoc.extract import load_module, walk_specs

for name in walk_specs(["espnet_tutornet"]):
    load_module(name)  # first: a part of ESPnet silences warnings when it is imported
warnings.filterwarnings("error", module="pdoc")
pdoc.render.configure(docformat="google")
pdoc.pdoc("espnet_tutornet", output_directory=Path(sys.argv[1]))
