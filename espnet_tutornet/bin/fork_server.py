"""Serve ``run_jobs`` to a comparison: load ESPnet once for all of its launches."""

import argparse
import importlib
import io
from contextlib import redirect_stderr, redirect_stdout
from typing import List

from espnet_tutornet.jobs import run as jobs
from espnet_tutornet.jobs.fork_server import serve
from espnet_tutornet.utils.command import exit_on_error

MODULES = (  # what the recipe's jobs run; they import the rest
    "espnet2.bin.asr_train",
    "espnet2.bin.asr_inference",
    "espnet_tutornet.bin.asr_train",
    "espnet_tutornet.bin.asr_inference",
    "espnet_tutornet.bin.best_path",
    "espnet_tutornet.bin.export_student",
    "espnet_tutornet.bin.measure_models",
    "espnet_tutornet.bin.tutornet_train",
)


def get_parser() -> argparse.ArgumentParser:
    """Return the argument parser."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("socket", help="Path of the socket to make")
    return parser


def load() -> None:
    """Import what the jobs need."""
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        for module in MODULES:
            importlib.import_module(module)  # some greet on import


def run(args: List[str]) -> None:
    """Run what one launch asks for."""
    print("ESPnet is loaded already: a fork server runs these jobs.")
    jobs.main(args)


@exit_on_error
def main(cmd=None) -> None:
    """Serve until the process is ended."""
    args = get_parser().parse_args(cmd)
    serve(args.socket, load, run)


if __name__ == "__main__":
    main()
