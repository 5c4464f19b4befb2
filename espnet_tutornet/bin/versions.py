"""Print the versions that results depend on."""

import platform
from importlib import metadata

PACKAGES = (
    "espnet_tutornet",
    "espnet",
    "torch",
    "torchaudio",
    "sentencepiece",
    "soundfile",
)


def main(cmd=None) -> None:
    """Print one line a package; takes no arguments."""
    print(f"python {platform.python_version()} on {platform.machine()}")
    for name in PACKAGES:
        try:
            print(name, metadata.version(name))
        except metadata.PackageNotFoundError:
            print(name, "not installed")


if __name__ == "__main__":
    main()
