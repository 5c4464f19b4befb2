"""Install espnet_tutornet."""

import re
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
VERSION = re.search(
    r'__version__ = "([^"]+)"', (ROOT / "espnet_tutornet/__init__.py").read_text()
)[1]
# What a part alone needs; espnet_tutornet/utils/extras.py names their modules.
EXTRAS = {
    "report": ["jinja2", "matplotlib"],
    "hub": ["espnet_model_zoo", "huggingface_hub"],
    "hf": ["transformers", "safetensors"],
    "cluster": ["dask-jobqueue"],
    "mini": ["hibari-tts"],
    "espnet3": ["lightning", "jiwer"],
}
ALL = sorted(name for names in EXTRAS.values() for name in names)
RECIPE = ROOT / "egs2/librispeech_tutornet/asr1"
NOT_OF_A_NEW_RECIPE = (
    "results",
    "studies",
    "data",
    "dump",
    "exp",
    "exp_*",
    "downloads",
)
NOT_OF_A_NEW_RECIPE += ("tools", "README.md")
LINT = ["black", "isort", "flake8", "flake8-docstrings"]
DOCS = ["pdoc"]


class BuildWithRecipe(build_py):
    """Carry the recipe's scripts and configurations along, for ``new_recipe``."""

    def run(self):
        """Build, and copy them, links as the files that they name."""
        super().run()
        if not self.editable_mode:
            target = Path(self.build_lib, "espnet_tutornet", "recipe")
            shutil.rmtree(target, ignore_errors=True)
            ignored = shutil.ignore_patterns(*NOT_OF_A_NEW_RECIPE)
            shutil.copytree(RECIPE, target, ignore=ignored)


setup(
    name="espnet_tutornet",
    version=VERSION,
    description="TutorNet knowledge distillation for ESPnet speech recognition",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11",
    cmdclass={"build_py": BuildWithRecipe},
    packages=find_packages(include=["espnet_tutornet", "espnet_tutornet.*"]),
    package_data={"espnet_tutornet.report": ["page.html"]},
    install_requires=[
        "espnet>=202511",
        # ESPnet imports these without declaring them: torchaudio (202511), and
        # editdistance (202611, only in its extra "asr").
        # torchaudio 2.11.1 asks for torch 2.11 and does not load beside 2.12, the
        # newest that ESPnet 202511 allows (through its setuptools).
        'torchaudio<2.11.1; python_version < "3.12"',
        'torchaudio!=2.11.1; python_version >= "3.12"',
        "editdistance",
        "torch",
        "sentencepiece",
        # ESPnet 202511 brings kaldiio, 202611 omniio with the same functions.
        'kaldiio; python_version < "3.12"',
        'omniio; python_version >= "3.12"',
        "pyyaml",
        "distributed",  # the workers of stage 8, on one machine, too
        "humanfriendly",
        "numpy",
        "requests",
        "scikit-learn",  # the codebooks of the default hidden_form
        "soundfile",
        "soxr",
        "tabulate",
        "tqdm",
    ],
    extras_require={
        **EXTRAS,
        "all": ALL,
        "docs": DOCS,
        "lint": LINT,
        "test": ["pytest", *ALL, *DOCS, *LINT],
    },
    classifiers=[
        "License :: OSI Approved :: Apache Software License",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Multimedia :: Sound/Audio :: Speech",
    ],
)
