import pytest

from espnet_tutornet.bin.make_mini_corpus import get_parser, main


def test_main_makes_a_corpus_and_skips_a_complete_one(tmp_path, caplog):
    pytest.importorskip("hibari")
    cmd = ["--out_dir", str(tmp_path / "mini"), "--hours_scale", "0.001", "--nj", "1"]
    caplog.set_level("INFO")
    main(cmd)
    assert "made train-clean, dev-clean, test-clean, test-other" in caplog.text
    assert len(list((tmp_path / "mini").rglob("*.flac"))) == 34
    main(cmd)
    assert "mini: was complete" in caplog.text


def test_main_exits_with_1_and_one_line(tmp_path, capsys):
    with pytest.raises(SystemExit) as info:
        main(["--out_dir", str(tmp_path), "--hours_scale", "0"])
    assert info.value.code == 1
    assert "error: hours_scale must be greater than 0, got 0.0." in (
        capsys.readouterr().err
    )


def test_out_dir_is_required(capsys):
    with pytest.raises(SystemExit):
        get_parser().parse_args([])
    assert "--out_dir" in capsys.readouterr().err
