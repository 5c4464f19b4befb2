import functools
import hashlib
import io
import tarfile
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from espnet_tutornet.bin.download_librispeech import get_parser, main
from espnet_tutornet.utils.archives import Archive


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture
def site(tmp_path):
    """Serve a tiny archive; give the address and the table that describes it."""
    path = tmp_path / "site" / "31" / "dev-tiny.tar.gz"
    path.parent.mkdir(parents=True)
    with tarfile.open(path, "w:gz") as tar:
        member = tarfile.TarInfo("LibriSpeech/dev-tiny/1/2/1-2.trans.txt")
        member.size = 15
        tar.addfile(member, io.BytesIO(b"1-2-0000 HELLO\n"))
    data = path.read_bytes()
    archive = Archive("dev-tiny", 31, len(data), hashlib.md5(data).hexdigest())
    handler = functools.partial(QuietHandler, directory=str(tmp_path / "site"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        yield url, {"mini_librispeech": (archive,)}
        server.shutdown()
        thread.join()


def arguments(url, out_dir):
    corpus = ["--corpus", "mini_librispeech"]
    return [*corpus, "--out_dir", str(out_dir), "--url_base", url]


def test_main_downloads_and_says_where(site, tmp_path, capsys):
    url, corpora = site
    main(arguments(url, tmp_path / "out"), corpora)
    said = capsys.readouterr().out
    assert said.startswith(f"{url}/31/dev-tiny.tar.gz  0.00 GB\nto download:")
    assert said.endswith(f"--corpus_dir {tmp_path}/out/LibriSpeech\nsplits: dev-tiny\n")
    text = tmp_path / "out/LibriSpeech/dev-tiny/1/2/1-2.trans.txt"
    assert text.read_text() == "1-2-0000 HELLO\n"


def test_main_says_nothing_of_downloads_when_all_is_there(site, tmp_path, capsys):
    _, corpora = site
    (tmp_path / "out/LibriSpeech/dev-tiny").mkdir(parents=True)
    main(arguments("http://127.0.0.1:9", tmp_path / "out"), corpora)
    said = capsys.readouterr().out
    assert said == f"--corpus_dir {tmp_path}/out/LibriSpeech\nsplits: dev-tiny\n"


def test_main_exits_with_1_and_one_line_when_not_found(site, tmp_path, capsys):
    url, corpora = site
    with pytest.raises(SystemExit) as info:
        main(arguments(f"{url}/nowhere", tmp_path / "out"), corpora)
    assert info.value.code == 1
    error = capsys.readouterr().err
    assert f"error: cannot download {url}/nowhere/31/dev-tiny.tar.gz: HTTP" in error


def test_parser_lists_the_corpora(capsys):
    with pytest.raises(SystemExit):
        get_parser().parse_args(["--corpus", "switchboard", "--out_dir", "x"])
    assert "librispeech_100" in capsys.readouterr().err
