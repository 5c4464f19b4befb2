import hashlib
import io
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from espnet_tutornet.utils.archives import Archive
from espnet_tutornet.utils.download import download_corpus, extract, fetch

AUDIO = np.random.default_rng(0).bytes(300_000)  # does not shrink
FLAC = "1/2/1-2-0000.flac"


def make_tar(members):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def archive_of(split, data):
    return Archive(split, 31, len(data), hashlib.md5(data).hexdigest())


class Server(ThreadingHTTPServer):
    """Serves ``files`` and keeps each request's path and Range."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.requests = {}, []
        self.cuts = 0  # how many replies still break off midway
        self.busy = 0  # how many replies still are 503
        self.ranges = True
        self.chunked = False  # whether replies say no length

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/res"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        wanted = self.headers["Range"]
        self.server.requests.append((self.path, wanted))
        data = self.server.files.get(self.path)
        if data is None or self.server.busy:
            self.server.busy -= data is not None
            self.send_error(404 if data is None else 503)
            return
        partial = wanted is not None and self.server.ranges
        if partial:
            start, total = int(wanted[len("bytes=") : -1]), len(data)
            if start >= total:
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{total}")
                self.end_headers()
                return
            data = data[start:]
        self.send_response(206 if partial else 200)
        name, value = "Content-Length", str(len(data))
        if self.server.chunked:
            name, value = "Transfer-Encoding", "chunked"
        self.send_header(name, value)
        self.end_headers()
        cut = self.server.cuts > 0
        if cut:
            self.server.cuts -= 1
            data = data[: len(data) // 2]
        if self.server.chunked:
            data = b"%x\r\n%s\r\n" % (len(data), data) + (b"" if cut else b"0\r\n\r\n")
        self.wfile.write(data)

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def good():
    return make_tar(
        {"LibriSpeech/README.TXT": b"?", f"LibriSpeech/dev-tiny/{FLAC}": AUDIO}
    )


def download(server, out_dir, data, **kwargs):
    """Download with ``data`` as what the table of archives promises."""
    table = [archive_of("dev-tiny", data)]
    return download_corpus(table, out_dir, server.url, pause=0.0, **kwargs)


def assert_complete(out_dir):
    split_dir = out_dir / "LibriSpeech" / "dev-tiny"
    assert (split_dir / FLAC).read_bytes() == AUDIO
    assert [p.name for p in out_dir.rglob("*") if p.name[0] == "."] == []
    assert not (out_dir / "dev-tiny.tar.gz.part").exists()


def test_download_extracts_and_then_skips(server, good, tmp_path):
    server.files["/res/31/dev-tiny.tar.gz"] = good
    assert download(server, tmp_path, good) == ["dev-tiny"]
    assert_complete(tmp_path)
    assert (tmp_path / "dev-tiny.tar.gz").read_bytes() == good
    (tmp_path / "dev-tiny.tar.gz").unlink()
    assert download(server, tmp_path, good) == []
    assert server.requests == [("/res/31/dev-tiny.tar.gz", None)]


def test_download_continues_after_cuts(server, good, tmp_path):
    server.files["/res/31/dev-tiny.tar.gz"] = good
    server.cuts = 3
    # Two tries in a row are enough: the count starts anew when bytes arrive.
    download(server, tmp_path, good, tries=2)
    assert_complete(tmp_path)
    starts = [wanted for _, wanted in server.requests]
    assert len(starts) == 4 and starts[0] is None
    # Half of 300 kB arrived, of which whole chunks of 64 KiB are kept.
    assert starts[1] == "bytes=131072-"


def test_download_starts_again_without_range_support(server, good, tmp_path):
    server.files["/res/31/dev-tiny.tar.gz"] = good
    server.cuts, server.ranges = 1, False
    download(server, tmp_path, good)
    assert_complete(tmp_path)
    assert len(server.requests) == 2


def test_download_continues_a_part_of_an_earlier_run(server, good, tmp_path):
    server.files["/res/31/dev-tiny.tar.gz"] = good
    (tmp_path / "dev-tiny.tar.gz.part").write_bytes(good[:1000])
    download(server, tmp_path, good)
    assert_complete(tmp_path)
    assert server.requests == [("/res/31/dev-tiny.tar.gz", "bytes=1000-")]


def test_download_uses_an_archive_placed_by_hand(server, good, tmp_path):
    (tmp_path / "dev-tiny.tar.gz").write_bytes(good)
    download(server, tmp_path, good)
    assert_complete(tmp_path)
    assert server.requests == []


def test_download_tries_again_when_the_server_is_busy(server, good, tmp_path):
    server.files["/res/31/dev-tiny.tar.gz"] = good
    server.busy = 2
    download(server, tmp_path, good, tries=3)
    assert_complete(tmp_path)


def test_download_gives_up_on_a_busy_server(server, good, tmp_path):
    server.files["/res/31/dev-tiny.tar.gz"] = good
    server.busy = 9
    with pytest.raises(RuntimeError, match="after 3 tries.*HTTP status 503"):
        download(server, tmp_path, good, tries=3)
    assert len(server.requests) == 3


def test_download_removes_a_damaged_file_and_gets_it_anew(server, good, tmp_path):
    server.files["/res/31/dev-tiny.tar.gz"] = good[:-1] + b"?"
    with pytest.raises(RuntimeError, match="dev-tiny.tar.gz.part was damaged"):
        download(server, tmp_path, good)
    assert list(tmp_path.iterdir()) == []
    server.files["/res/31/dev-tiny.tar.gz"] = good
    download(server, tmp_path, good)
    assert_complete(tmp_path)


def test_download_refuses_a_file_of_another_size(server, good, tmp_path):
    server.files["/res/31/dev-tiny.tar.gz"] = b"<html>please log in</html>"
    with pytest.raises(RuntimeError, match="server offers 26"):
        download(server, tmp_path, good)
    assert list(tmp_path.iterdir()) == []


def test_download_names_the_url_that_is_not_found(server, good, tmp_path):
    with pytest.raises(RuntimeError, match="res/31/dev-tiny.tar.gz: HTTP status 404"):
        download(server, tmp_path, good)
    assert len(server.requests) == 1  # asking again would not help


def test_download_offline_says_how_to_place_the_archive(good, tmp_path):
    table = [archive_of("dev-tiny", good)]
    url = "http://127.0.0.1:9/res"  # the discard port: nobody listens
    want = f"{url}/31/dev-tiny.tar.gz.*save it as {tmp_path}/dev-tiny.tar.gz and"
    with pytest.raises(RuntimeError, match=want):
        download_corpus(table, tmp_path, url, tries=2, pause=0.0)


def fetch_unknown(server, path, **kwargs):
    """Fetch /res/it without knowing its size; return the requests' ranges."""
    fetch(f"{server.url}/it", path, None, tries=2, pause=0.0, **kwargs)
    return [wanted for _, wanted in server.requests]


@pytest.mark.parametrize("chunked, kept", [(False, 131072), (True, 150000)])
def test_a_file_of_unknown_size_is_continued_until_its_end(
    server, tmp_path, chunked, kept
):
    server.files["/res/it"], server.cuts, server.chunked = AUDIO, 3, chunked
    ranges = fetch_unknown(server, tmp_path / "it.part")
    assert (tmp_path / "it.part").read_bytes() == AUDIO
    assert len(ranges) == 4 and ranges[:2] == [None, f"bytes={kept}-"]


@pytest.mark.parametrize("part", [AUDIO, AUDIO + b"?"])
def test_a_part_of_unknown_size_that_is_whole_stays_and_another_goes(
    server, tmp_path, part
):
    """A kill came before the file had its name; or the server has another file now."""
    server.files["/res/it"] = AUDIO
    (tmp_path / "it.part").write_bytes(part)
    ranges = fetch_unknown(server, tmp_path / "it.part")
    assert (tmp_path / "it.part").read_bytes() == AUDIO
    assert ranges == [f"bytes={len(part)}-", None][: 1 + (part != AUDIO)]


@pytest.mark.parametrize(
    "members, problem",
    [
        ({"LibriSpeech/other/1.flac": b"?"}, "expected to hold LibriSpeech/dev-tiny/"),
        ({"LibriSpeech/dev-tiny/../../../evil": b"?"}, "outside the destination"),
    ],
)
def test_extract_leaves_nothing_of_a_bad_archive(tmp_path, members, problem):
    (tmp_path / "bad.tar.gz").write_bytes(make_tar(members))
    with pytest.raises(RuntimeError, match=problem):
        extract(tmp_path / "bad.tar.gz", tmp_path / "LibriSpeech" / "dev-tiny")
    assert list((tmp_path / "LibriSpeech").iterdir()) == []
    assert not (tmp_path / "evil").exists()


def test_extract_says_that_an_archive_is_cut(good, tmp_path):
    (tmp_path / "cut.tar.gz").write_bytes(good[: len(good) // 2])
    with pytest.raises(RuntimeError, match="cut.tar.gz cannot be extracted"):
        extract(tmp_path / "cut.tar.gz", tmp_path / "dev-tiny")
    assert not (tmp_path / "dev-tiny").exists()
