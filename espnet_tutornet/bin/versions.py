"""Print the versions that results depend on, and which extras are there."""

import platform

from espnet_tutornet.utils.extras import EXTRAS, find_missing, find_version

PACKAGES = (
    "espnet_tutornet",
    "espnet",
    "torch",
    "torchaudio",
    "sentencepiece",
    "soundfile",
)


def main(cmd=None) -> None:
    """Print one line per package and per extra; takes no arguments."""
    print(f"python {platform.python_version()} on {platform.machine()}")
    for name in PACKAGES:
        print(name, find_version(name))
    for extra in EXTRAS:
        missing = find_missing(extra)
        lacks = f"lacks {', '.join(missing)}: pip install 'espnet_tutornet[{extra}]'"
        print(f"extra {extra}", lacks if missing else "installed")


if __name__ == "__main__":
    main()
