import hashlib
import io
import tarfile
from pathlib import Path

import pytest

from espnet_tutornet.data.corpora import bring
from espnet_tutornet.data.corpora.bring import NAMES, bring_corpus
from espnet_tutornet.utils.archives import CORPORA, Archive

NOWHERE = "http://127.0.0.1:9"  # the discard port: nobody listens


@pytest.fixture
def site(tmp_path, monkeypatch, serve):
    """Serve a tiny mini LibriSpeech; return the address."""
    path = tmp_path / "site/31/dev-tiny.tar.gz"
    path.parent.mkdir(parents=True)
    with tarfile.open(path, "w:gz") as tar:
        member = tarfile.TarInfo("LibriSpeech/dev-tiny/1/2/1-2.trans.txt")
        member.size = 15
        tar.addfile(member, io.BytesIO(b"1-2-0000 HELLO\n"))
    data = path.read_bytes()
    archive = Archive("dev-tiny", 31, len(data), hashlib.md5(data).hexdigest())
    monkeypatch.setitem(CORPORA, "mini_librispeech", (archive,))
    return serve(tmp_path / "site")


def test_librispeech_is_downloaded_once(site, tmp_path, capsys):
    downloads = tmp_path / "downloads"
    found = bring_corpus("mini_librispeech", downloads, url_base=site)
    assert found == downloads / "LibriSpeech"
    text = found / "dev-tiny/1/2/1-2.trans.txt"
    assert text.read_text() == "1-2-0000 HELLO\n"
    said = capsys.readouterr().out
    assert said.startswith(f"{site}/31/dev-tiny.tar.gz  0.00 GB\nto download:")
    assert f"The archives in {downloads} are no longer needed.\n" in said
    assert bring_corpus("mini_librispeech", downloads, url_base=NOWHERE) == found
    assert capsys.readouterr().out == ""


def test_a_server_that_has_it_not_is_named(site, tmp_path):
    want = f"cannot download {site}/no/31/dev-tiny.tar.gz: HTTP status 404"
    with pytest.raises(RuntimeError, match=want):
        bring_corpus("mini_librispeech", tmp_path, url_base=f"{site}/no")


@pytest.mark.parametrize("name", ["mini", "digits"])
def test_what_is_there_is_not_made_again(name, tmp_path, capsys, monkeypatch):
    for split in ("train-clean", "dev-clean", "test-clean", "test-other"):
        (tmp_path / name / split).mkdir(parents=True)
    if name == "mini":
        settings = '{"hours_scale": 1.0, "seed": 0, "edition": 1}'
        (tmp_path / "mini/mini_corpus.json").write_text(settings)
    assert bring_corpus(name, tmp_path, url_base=NOWHERE) == tmp_path / name
    assert capsys.readouterr().out == f"{tmp_path}/{name}: is there\n"


def test_mini_is_made_by_as_many_processes_as_asked(tmp_path, monkeypatch, capsys):
    calls = []
    monkeypatch.setattr(
        bring, "make_mini_corpus", lambda *a, **k: calls.append((a, k)) or ["dev"]
    )
    assert bring_corpus("mini", tmp_path, nj=3) == tmp_path / "mini"
    assert calls == [((tmp_path / "mini",), {"nj": 3})]
    assert capsys.readouterr().out == f"{tmp_path}/mini: made dev\n"


@pytest.mark.parametrize("url, expected", [(NOWHERE, NOWHERE), (None, bring.GITHUB)])
def test_digits_are_built_from_what_is_downloaded(tmp_path, monkeypatch, url, expected):
    calls = []
    monkeypatch.setattr(bring, "make_digits", lambda *a: calls.append(a) or ["dev"])
    assert bring_corpus("digits", tmp_path, url_base=url) == tmp_path / "digits"
    assert calls == [(tmp_path / "digits", tmp_path, expected)]


def test_unknown_names_list_the_known_ones():
    with pytest.raises(ValueError, match="one of mini, digits, .*got 'switchboard'"):
        bring_corpus("switchboard")
    assert NAMES[2:] == tuple(CORPORA)
    assert not Path("downloads").exists()
