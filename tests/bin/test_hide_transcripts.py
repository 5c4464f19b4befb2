import pytest

from espnet_tutornet.bin.hide_transcripts import main
from espnet_tutornet.data.data_dir import Utterance, read_data_dir, write_data_dir


@pytest.fixture
def data(tmp_path):
    utts = [Utterance(f"{s}-{n}", s, "w", 9, f"T{n}") for s in "abc" for n in range(4)]
    write_data_dir(tmp_path / "all", utts)
    return tmp_path


def _run(data, count):
    command = ["--data_dir", f"{data}/all", "--num_labelled", str(count)]
    main(
        [*command, "--labelled_dir", f"{data}/few", "--unlabelled_dir", f"{data}/rest"]
    )
    few, rest = read_data_dir(data / "few"), read_data_dir(data / "rest", False)
    return few, rest


def test_every_speaker_keeps_as_many_transcripts(data):
    few, rest = _run(data, 6)
    ids = ["a-0", "a-2", "b-0", "b-2", "c-0", "c-2"]
    assert [(utt.utt_id, utt.text) for utt in few] == [(i, f"T{i[-1]}") for i in ids]
    assert [utt.utt_id for utt in rest] == ["a-1", "a-3", "b-1", "b-3", "c-1", "c-3"]
    assert {utt.text for utt in rest} == {""}


@pytest.mark.parametrize("count", [1, 5, 7, 11])
def test_any_number_can_be_kept(data, count):
    few, rest = _run(data, count)
    assert len(few) == count
    both = sorted(utt.utt_id for utt in few + rest)
    assert both == [utt.utt_id for utt in read_data_dir(data / "all")]


@pytest.mark.parametrize("count", [0, 12, -1])
def test_a_number_that_leaves_nothing_is_refused(data, capsys, count):
    with pytest.raises(SystemExit, match="1"):
        _run(data, count)
    expected = f"--num_labelled must be in [1, 11], got {count}"
    assert expected in capsys.readouterr().err
    assert not (data / "few").exists()
