"""Two processes on the CPU (gloo): RKD, then SKD, as one process does them."""

import socket
import subprocess
import sys
from dataclasses import replace

import pytest
import soundfile
import torch
import yaml

from espnet_tutornet.data.data_dir import read_data_dir, write_data_dir

pytestmark = pytest.mark.integration

COMMAND = """
import torch.distributed
from espnet_tutornet.bin.tutornet_train import main
main()
print("in a group at the end:", torch.distributed.is_initialized())
"""
TOLERANCE = 1e-6  # of parameters after 12 steps of SGD: rounding


@pytest.fixture(scope="module")
def parts(finished, tmp_path_factory):
    """Return the words that all trainings share, and the config of the student."""
    root = tmp_path_factory.mktemp("two")
    run = finished.exp / "student_rnn_none_seed1"
    conf = yaml.safe_load((run / "train.yaml").read_text())
    # what draws random numbers draws others in other processes
    conf.update(specaug=None, specaug_conf={}, max_epoch=2, batch_size=4)
    conf["encoder_conf"]["dropout"] = 0.0
    # not Adam: it would blow up rounding where the gradient is all but zero
    conf.update(optim="sgd", optim_conf={"lr": 0.05})
    conf.update(scheduler=None, scheduler_conf={})
    (root / "train.yaml").write_text(yaml.safe_dump(conf))
    dumped = yaml.safe_load((run / "config.yaml").read_text())
    words = ["--config", root / "train.yaml", "--seed", 5, "--num_workers", 0]
    words += ["--token_type", "char", "--normalize", "global_mvn", "--normalize_conf"]
    words += [f"stats_file={dumped['normalize_conf']['stats_file']}"]
    words += ["--token_list", finished.root / "data/token_list/char/tokens.txt"]
    folder = _cut_to_one_length(finished.root / "dump/train_clean", root / "data")
    for mode in ("train", "valid"):
        words += [f"--{mode}_shape_file", folder / "utt2num_samples"]
        for triple in ("wav.scp,speech,sound", "text,text,text"):
            words += [f"--{mode}_data_path_and_name_and_type", folder / triple]
    teacher = finished.exp / "teacher"
    words += ["--distill_conf", f"teacher.config={teacher}/config.yaml"]
    words += ["--distill_conf", f"teacher.model={teacher}/valid.loss_ctc.ave.pth"]
    return words, root


def _cut_to_one_length(source, target):
    """Write a data directory of equally long utterances, one word each.

    ESPnet's features of an utterance's last frames depend on how much padding follows,
    hence on the others of its batch: between processes, on who shares one.
    """
    utterances = read_data_dir(source)
    samples = min(utt.num_samples for utt in utterances)
    target.mkdir()
    cut = []
    for utt in utterances:
        path = target / f"{utt.utt_id}.wav"
        audio, fs = soundfile.read(utt.wav, dtype="int16")
        soundfile.write(path, audio[:samples], fs)
        first = utt.text.split()[0]
        cut.append(replace(utt, wav=str(path), num_samples=samples, text=first))
    write_data_dir(target / "kaldi", cut)
    return target / "kaldi"


def _port():
    with socket.socket() as s:
        s.bind(("localhost", 0))
        return s.getsockname()[1]


def _train(words, out, environment, processes):
    """Train in one process, or in two that average their gradients."""
    command = [sys.executable, "-c", COMMAND]
    command += [*words, "--output_dir", out, "--ngpu", 0]
    port, running = _port(), []
    for rank in range(processes):
        more = []
        if processes > 1:
            more = ["--dist_world_size", processes, "--dist_rank", rank]
            more += ["--dist_backend", "gloo", "--dist_master_addr", "localhost"]
            more += ["--dist_master_port", port]
        log = (out.parent / f"{out.name}.{rank}.log").open("w")
        words_ = [str(word) for word in [*command, *more]]
        running.append(
            subprocess.Popen(words_, stdout=log, stderr=log, env=environment)
        )
    codes = [process.wait(timeout=600) for process in running]
    logs = [(out.parent / f"{out.name}.{r}.log").read_text() for r in range(processes)]
    assert codes == [0] * processes, "\n".join(log[-3000:] for log in logs)
    # one that stays in it until the interpreter ends may abort when another leaves
    assert all("in a group at the end: False" in log for log in logs)
    return logs[0]


def test_two_processes_train_as_one(parts, environment):
    words, root = parts
    states = {}
    for processes in (1, 2):
        rkd, skd = root / f"rkd{processes}", root / f"skd{processes}"
        first = ["--distill_conf", "terms.rkd.weight=1.0"]
        first += ["--distill_conf", "task_weight=0.0", "--unused_parameters", "true"]
        first += ["--best_model_criterion", "valid,loss_rkd,min"]
        log = _train([*words, *first], rkd, environment, processes)
        assert (":0/2] " in log) == (processes > 1)
        second = ["--distill_conf", "terms.skd.weight=1.0"]
        second += ["--init_param", f"{rkd}/2epoch.pth:encoder:encoder"]
        _train([*words, *second], skd, environment, processes)
        states[processes] = [
            torch.load(folder / "2epoch.pth", weights_only=True)
            for folder in (rkd, skd)
        ]
    for one, two in zip(states[1], states[2]):
        assert list(one) == list(two)
        for name, value in one.items():
            torch.testing.assert_close(two[name], value, atol=TOLERANCE, rtol=0)
    start, end = states[1]
    moved = (end["ctc.ctc_lo.weight"] - start["ctc.ctc_lo.weight"]).abs().max()
    assert moved > 1000 * TOLERANCE


def test_two_processes_count_a_schedule_as_one(parts, environment):
    words, root = parts
    terms = ["skd.criterion=kl", "skd.blank=drop", "skd.schedule.steps=8"]
    terms += ["inter.student_layer=enc.0", "sequence.nbest=2"]
    for term in terms:
        words = [*words, "--distill_conf", f"terms.{term}"]
    states = []
    for processes in (1, 2):
        out = root / f"schedule{processes}"
        log = _train(words, out, environment, processes)
        assert "weight_skd=" in log
        states.append(torch.load(out / "2epoch.pth", weights_only=True))
    one, two = states
    assert one["distiller.batches"] > 0 and list(one) == list(two)
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, atol=TOLERANCE, rtol=0)
