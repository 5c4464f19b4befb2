"""The model card of a student: what it is, what it costs, how well it does."""

from pathlib import Path
from string import Template
from typing import Dict

from tabulate import tabulate

from espnet_tutornet.experiment.methods import name_method
from espnet_tutornet.experiment.results import Run
from espnet_tutornet.utils.reading import read_yaml

CARD = "MODEL_CARD.md"
# key of an exported configuration whose encoder stock ESPnet does not have
NEEDS_US = "espnet_tutornet"
TEMPLATE = Template("""\
# $name

A speech recogniser for [ESPnet](https://github.com/espnet/espnet): encoder `$encoder`,
$vocab_size tokens ($token_type), audio at $fs Hz.
$origin

## Size and speed

$costs

Ratios are teacher over this model; that of the parameters is the compression ratio.
MACs are multiply-accumulates of encoder and CTC output on 10 s of audio, without
element-wise work and Fourier transforms. RTF, the real-time factor, is that of greedy
CTC, one utterance after the other on one CPU thread. int8 is ESPnet's
`--quantize_asr_model true`: it quantizes linear layers and leaves convolutions and
recurrent layers in float32.

## Training

- Method: $method
- Epochs: $epochs
- Training data: $data
- Configuration: `$config`, seed $seed

## Error rates

In percent, $how.

$scores

## How to use it

```bash
unzip $name.zip -d $name && cd $name
python -m $tool --ngpu 0 $decoding \\
    --asr_train_config config.yaml --asr_model_file model.pth \\
    --data_path_and_name_and_type wav.scp,speech,sound --output_dir decoded
```

`wav.scp` has a line `<utterance id> <audio file>` an utterance. The text comes out in
`decoded/1best_recog/text`.$int8

## Licence

As that of the training data and teacher allow.
""")


# of asr_inference to the best path of CTC, which it does not have
NEAREST_SEARCH = {"beam_size": 1, "ctc_weight": 1.0}


def format_card(run: Run, teacher: Run, rundir: Path, decoding: Dict) -> str:
    """Render the card of one student.

    Nothing in it tells where it was trained: data directories go by their names.

    Args:
        run: the student, scored and measured.
        teacher: the same of its teacher.
        rundir: the student's directory, with ``config.yaml`` and ``export``.
        decoding: options that the scores were made with, of ``asr_inference``, or,
            where ``sim_chunk_length`` is among them, of ``asr_inference_streaming``;
            with ``search: best_path`` of ``espnet_tutornet.bin.best_path``.

    Raises:
        FileNotFoundError: a configuration or a measurement is missing.
    """
    for each in (run, teacher):
        if each.macs_per_second is None:
            raise FileNotFoundError(
                f"{rundir.parent / each.name}: no measure.json with macs_per_second. "
                "Run stage 13 (scoring and measuring) first."
            )
    conf = _read_yaml(rundir / "export/config.yaml")
    trained = _read_yaml(rundir / "config.yaml")
    streaming = "sim_chunk_length" in decoding
    how = "decoded as below"
    transducer = conf.get("decoder") == "transducer"
    if decoding.get("search") == "best_path":
        decoding = NEAREST_SEARCH
        if not transducer:  # they have a search of their own
            how = "by CTC's best path; the prefix search below comes close to it"
    # stock ESPnet builds a transducer where warprnnt_pytorch is compiled
    package = "espnet_tutornet" if NEEDS_US in conf or transducer else "espnet2"
    return TEMPLATE.substitute(
        name=run.name,
        encoder=conf["encoder"],
        vocab_size=len(conf["token_list"]),
        token_type=conf["token_type"],
        fs=conf.get("frontend_conf", {}).get("fs", 16000),
        origin=_origin(run),
        costs=_costs(run, teacher),
        method=name_method(run.method),
        epochs=_epochs(run, trained["max_epoch"]),
        data=f"{_data(trained, 'train')}; dev set {_data(trained, 'valid')}",
        config=run.config,
        seed=run.seed,
        how=how,
        scores=_scores(run, teacher),
        tool=f"{package}.bin.asr_inference{'_streaming' * streaming}",
        int8="" if streaming else " For int8 add `--quantize_asr_model true`.",
        decoding=" ".join(f"--{key} {value}" for key, value in decoding.items()),
    )


def format_count(count: float) -> str:
    """Show a large number with its unit.

    Example:
        >>> [format_count(n) for n in (27, 41083, 1.9e6, 1.0e10)]
        ['27 ', '41.1 k', '1.90 M', '10.0 G']
    """
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= size:
            value = count / size
            digits = max(2 - (value >= 10) - (value >= 100), 0)
            return f"{value:.{digits}f} {unit}"
    return f"{count:.0f} "


def _read_yaml(path: Path) -> Dict:
    return read_yaml(path, "an exported student", "Run stage 10 or 11.")


def _origin(run: Run) -> str:
    if run.method == "none":
        return f"Trained without distillation; `{run.teacher}` is here to compare with."
    tutornet = "[TutorNet](https://arxiv.org/abs/2008.00671)"
    return f"It learned from `{run.teacher}` by knowledge distillation ({tutornet})."


def _epochs(run: Run, last: int) -> str:
    """Tell the epochs of RKD, a training of its own, from those of the last one."""
    first = run.total_epochs - last
    return f"{first} of RKD, then {last}" if first else f"{last}"


def _data(conf: Dict, mode: str) -> str:
    streams = conf[f"{mode}_data_path_and_name_and_type"]
    paths = [Path(path) for path, name, _ in streams if name == "speech"]
    return ", ".join(f"`{path.parent.name}`" for path in paths)


def _costs(run: Run, teacher: Run) -> str:
    kinds = [
        ("Parameters", "parameters", format_count),
        ("MACs a second of audio", "macs_per_second", format_count),
        ("Size on disk, float32", "size_bytes", lambda n: f"{format_count(n)}B"),
        ("RTF, float32", "rtf", "{:.4f}".format),
        ("RTF, int8", "rtf_int8", "{:.4f}".format),
    ]
    rows = []
    for title, key, form in kinds:
        ours, theirs = getattr(run, key), getattr(teacher, key)
        cells = ["-" if value is None else form(value) for value in (ours, theirs)]
        known = ours is not None and theirs is not None
        rows.append([title, *cells, f"{theirs / ours:.1f}" if known else "-"])
    header = ["", "this model", f"teacher `{teacher.name}`", "ratio"]
    return tabulate(rows, header, tablefmt="github", disable_numparse=True)


def _scores(run: Run, teacher: Run) -> str:
    rows = []
    for test_set in run.scores:
        rates = [r.rate(u, test_set) for r in (run, teacher) for u in ("wer", "cer")]
        rows.append([test_set, *("-" if r is None else f"{r:.1f}" for r in rates)])
    header = ["", "WER", "CER", "teacher's WER", "teacher's CER"]
    return tabulate(rows, header, tablefmt="github", disable_numparse=True)
