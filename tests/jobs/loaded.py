"""What a process that has ESPnet loaded does."""

import gc
import importlib
import os
import sys


def run(module, words, output):
    """Run a command as ``python -m`` does; what it says goes to a file."""
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(file, 1)
    os.dup2(file, 2)
    sys.stdout.reconfigure(line_buffering=True)
    sys.argv = [module, *words]
    importlib.import_module(module).main(list(words))


def main(cmd=None):
    """Say how the collector of garbage stands."""
    passed_over = gc.get_freeze_count() > 100_000
    print("espnet2:", "espnet2" in sys.modules, gc.isenabled(), passed_over)
