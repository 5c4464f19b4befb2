"""A transducer student through the stages of the recipe, with pip's packages alone."""

import zipfile

import pytest
import yaml

pytestmark = pytest.mark.integration


def test_a_transducer_learns_is_decoded_by_its_own_search_and_packed(
    prepared, call, conf, recipe, tmp_path
):
    here = prepared.elsewhere(tmp_path, copied=["data", "dump"], fresh=["exp"])
    student = yaml.safe_load((conf / "train_student_rnn.yaml").read_text())
    student.update(
        decoder="transducer",
        decoder_conf={"rnn_type": "gru", "hidden_size": 8},
        joint_net_conf={"joint_space_size": 8},
        model_conf={"ctc_weight": 0.3, "report_cer": False, "report_wer": False},
    )
    (tmp_path / "train_student_rnnt.yaml").write_text(yaml.safe_dump(student))
    options = dict(student_asr_config=tmp_path / "train_student_rnnt.yaml")
    options.update(methods="none rkd_skd", total_epochs=2, rkd_epochs=1)
    options.update(test_sets="test_clean")
    options.update(inference_config=recipe / "conf/decode_ctc_greedy.yaml")
    call(here.command(stage=5, **options))
    for method in ("none", "rkd_skd"):
        run = here.exp / f"student_rnnt_{method}_seed1"
        folder = here.decoded(run.name, "test_clean")
        assert len((folder / "text").read_text().splitlines()) == 6
        command = (folder / "decode.log").read_text().splitlines()[0]
        assert "espnet_tutornet.bin.asr_inference --beam_size 1 " in command
        with zipfile.ZipFile(run / f"{run.name}.zip") as archive:
            packed = yaml.safe_load(archive.read("config.yaml"))
        assert packed["model"] == "espnet" and packed["decoder"] == "transducer"
        assert "espnet_tutornet" not in packed
    results = (here.exp / "RESULTS.md").read_text()
    assert "student_rnnt_rkd_skd_seed1" in results
