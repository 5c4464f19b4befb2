"""Install espnet_tutornet."""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
VERSION = re.search(
    r'__version__ = "([^"]+)"', (ROOT / "espnet_tutornet/__init__.py").read_text()
)[1]
LINT = ["black", "isort", "flake8", "flake8-docstrings"]
MINI = ["hibari-tts"]
CLUSTER = ["dask-jobqueue"]

setup(
    name="espnet_tutornet",
    version=VERSION,
    description="TutorNet knowledge distillation for ESPnet speech recognition",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11",
    packages=find_packages(include=["espnet_tutornet", "espnet_tutornet.*"]),
    package_data={"espnet_tutornet.report": ["page.html"]},
    install_requires=[
        "espnet>=202511",
        # ESPnet imports these without declaring them: torchaudio (202511), and
        # editdistance (202611, only in its extra "asr").
        "torchaudio",
        "editdistance",
        "torch",
        "sentencepiece",
        # 202611 uses omniio in its place, which brings the same functions.
        'kaldiio; python_version < "3.12"',
        "pyyaml",
        "dask",
        "distributed",
        "espnet_model_zoo",
        "huggingface_hub",
        "jinja2",
        "matplotlib",
        "numpy",
        "requests",
        "scikit-learn",
        "soundfile",
        "soxr",
        "tabulate",
        "tqdm",
    ],
    extras_require={
        "cluster": CLUSTER,
        "mini": MINI,
        "lint": LINT,
        "test": ["pytest", *CLUSTER, *MINI, *LINT],
    },
    classifiers=[
        "License :: OSI Approved :: Apache Software License",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Multimedia :: Sound/Audio :: Speech",
    ],
)
