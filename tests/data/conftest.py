import functools
import os
import threading
from contextlib import ExitStack, contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from noise_files import write_audio

CORPORA = Path(__file__).resolve().parents[3] / "shared/corpora"


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@contextmanager
def _serving(directory):
    handler = functools.partial(QuietHandler, directory=str(directory))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def serve():
    """Return serve(directory): its address on a local server."""
    with ExitStack() as stack:
        yield lambda directory: stack.enter_context(_serving(directory))


def _corpus(variable, name):
    path = Path(os.environ.get(variable, CORPORA / name))
    if not path.is_dir():
        pytest.skip(f"no {path}; {variable} may name another")
    return path


@pytest.fixture(scope="session")
def fsdd_archive():
    """Return the archive of the Free Spoken Digit Dataset."""
    return _corpus("TUTORNET_FSDD", "fsdd") / "v1.0.10.zip"


@pytest.fixture(scope="session")
def digits_corpus():
    """Return the digits as they are to be built."""
    return _corpus("TUTORNET_DIGITS", "digits")


@pytest.fixture
def chapter(tmp_path):
    """A split of three utterances in LibriSpeech's layout; one of its chapters."""
    chapter = tmp_path / "train-clean/10/2"
    write_audio(chapter / "10-2-0000.flac", 0.1)
    write_audio(chapter / "10-2-0001.wav", 0.2)
    write_audio(tmp_path / "train-clean/9/1/9-1-0000.ogg", 0.5)
    (chapter / "10-2.trans.txt").write_text("10-2-0000 ONE\n10-2-0001  TWO   SIX\n")
    (tmp_path / "train-clean/9/1/9-1.trans.txt").write_text("9-1-0000 THREE\n")
    return chapter
