"""What distillation adds to a training step, as ratios from one run.

    python benchmarks/step_cost.py [--size small|medium|large] [--rounds 5]

1. (step with RKD + SKD, teacher online) / (stock student step + teacher forward)
2. (step with RKD + SKD, teacher from its cache) / (stock student step)
3. (loss functions, forward and backward) / (stock student step)
4. (step of a student whose padding is masked) / (stock student step)
5. extra memory of each loss function, in units of one (B, T, V) float32 tensor

The cached step unpacks product-quantised hidden states and the eight likeliest tokens
of each frame; reading them from disk is the loader's work, beside the step.

Steps alternate, so that a machine that slows down slows all of them; medians of the
rounds are compared. ``large`` is a 12-block conformer of width 256 with 5000 tokens, at
B=16 and T=400 frames (16 s of audio).
"""

import argparse
import copy
import random
import statistics
import time
from typing import Callable, Dict, List

import numpy as np
import torch
from espnet2.tasks.asr import ASRTask
from memory import PeakMemory

from espnet_tutornet.cache.manifest import Manifest
from espnet_tutornet.distill.distiller import Distiller
from espnet_tutornet.layers.padding import mask_padding
from espnet_tutornet.layers.probe import probe_model
from espnet_tutornet.losses import RepresentationLoss, SoftmaxLoss
from espnet_tutornet.outputs import TeacherOutputs
from espnet_tutornet.tasks.asr_tutornet import TutorNetTask
from espnet_tutornet.teacher.cached import CachedTeacher
from espnet_tutornet.teacher.online import OnlineTeacher

SIZES = {
    "small": dict(blocks=2, width=48, vocabulary=100, batch=8, seconds=4.0),
    "medium": dict(blocks=4, width=128, vocabulary=100, batch=8, seconds=4.0),
    "large": dict(blocks=12, width=256, vocabulary=5000, batch=16, seconds=16.08),
}
TERMS = {"rkd": {}, "skd": {}}


def build(task: type, blocks: int, width: int, vocabulary: int):
    """Build a CTC conformer with ESPnet's own parser and task; return it and those."""
    tokens = ["<blank>", "<unk>", *map(str, range(vocabulary - 3)), "<sos/eos>"]
    args = task.get_parser().parse_args(["--output_dir", ".", "--encoder", "conformer"])
    args.token_list = tokens
    args.frontend_conf = {"fs": 16000, "n_fft": 512, "hop_length": 160}
    args.encoder_conf = {
        "output_size": width,
        "attention_heads": 4,
        "linear_units": 4 * width,
        "num_blocks": blocks,
        "input_layer": "conv2d",
        "macaron_style": True,
        "rel_pos_type": "latest",
        "pos_enc_layer_type": "rel_pos",
        "selfattention_layer_type": "rel_selfattn",
        "activation_type": "swish",
        "use_cnn_module": True,
        "cnn_module_kernel": 15,
    }
    args.normalize, args.normalize_conf = "utterance_mvn", {}
    args.model_conf = {"ctc_weight": 1.0}
    args.decoder = None
    return task.build_model(args).train(), args


def make_batch(batch: int, seconds: float, vocabulary: int) -> Dict[str, torch.Tensor]:
    """Make noise and random targets, all of one length."""
    samples, tokens = int(16000 * seconds), int(3 * seconds)
    return {
        "speech": torch.randn(batch, samples),
        "speech_lengths": torch.full((batch,), samples),
        "text": torch.randint(2, vocabulary - 1, (batch, tokens)),
        "text_lengths": torch.full((batch,), tokens),
    }


def train_step(model: torch.nn.Module, batch: Dict[str, torch.Tensor]) -> None:
    """Run forward and backward."""
    loss, _, _ = model(**{name: value.clone() for name, value in batch.items()})
    loss.sum().backward()
    model.zero_grad(set_to_none=True)


def cached_teacher(tutor: OnlineTeacher) -> CachedTeacher:
    """Make a reader of what ``tutor`` would have left in a cache."""
    width, codes = tutor.sizes["last"], 32
    manifest = Manifest(
        fingerprint="",
        fs=16000,
        frame_shift=tutor.frame_shift,
        token_list=tutor.token_list,
        blank_id=0,
        layers={"last": {"form": "pq", "width": width, "codes": codes}},
        top_k=8,
    )
    generator = np.random.default_rng(0)
    books = generator.normal(size=(codes, 256, -(-width // codes))).astype(np.float32)
    return CachedTeacher(manifest, {"last": books})


def cached_stream(
    teacher: CachedTeacher, outputs: TeacherOutputs
) -> Dict[str, torch.Tensor]:
    """Encode a batch of outputs as ESPnet's loader would bring them."""
    streams = {"last": outputs.hidden["last"], "posteriors": outputs.log_probs}
    rows = [
        np.concatenate(
            [form.encode(streams[name][b]) for name, form in teacher.forms.items()], 1
        )
        for b in range(len(outputs.lens))
    ]
    matrix = torch.from_numpy(np.stack(rows))
    return {"teacher": matrix, "teacher_lengths": outputs.lens}


def alternate(work: Dict[str, Callable[[], None]], rounds: int) -> Dict[str, float]:
    """Time each piece of work in turn; return medians in seconds.

    The turn is another in every round: what ran before leaves the processor's cache and
    the allocator in another state.
    """
    seconds: Dict[str, List[float]] = {name: [] for name in work}
    turn = list(work)
    for number in range(rounds + 1):
        random.Random(number).shuffle(turn)
        for name in turn:
            run = work[name]
            start = time.perf_counter()
            run()
            if number:  # the first round warms up
                seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


def extra_temporaries(criterion: str, shape=(16, 400, 500)) -> Dict[str, float]:
    """Return the peak of the forward pass in (B, T, V) tensors, and of the backward."""
    logits = torch.randn(shape, requires_grad=True)
    teacher = torch.randn(shape).log_softmax(-1)
    pad_mask = torch.zeros(shape[:2], dtype=torch.bool)
    temperature = 2.0 if criterion == "kl" else 1.0
    unit = logits.numel() * 4
    with PeakMemory() as forward:
        loss = SoftmaxLoss(criterion, temperature)(logits, teacher, pad_mask)
    return {"forward": forward.peak / unit, "saved": _saved_bytes(loss) / unit}


def _saved_bytes(loss: torch.Tensor) -> int:
    total, nodes = 0, [loss.grad_fn]
    while nodes:
        node = nodes.pop()
        nodes += [parent for parent, _ in node.next_functions if parent is not None]
        total += sum(
            x.numel() * 4 for x in getattr(node, "saved_tensors", ()) if x.dim() == 3
        )
    return total


def main() -> None:
    """Print the three tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", choices=sorted(SIZES), default="small")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch", type=int, help="Utterances instead of the size's")
    options = parser.parse_args()
    size = dict(SIZES[options.size])
    size["batch"] = options.batch or size["batch"]
    torch.manual_seed(0)
    network = {k: size[k] for k in ("blocks", "width", "vocabulary")}
    stock, _ = build(ASRTask, **network)
    student, _ = build(TutorNetTask, **network)
    tutor = OnlineTeacher(build(ASRTask, **network)[0])
    distiller = Distiller(TERMS, probe_model(student).sizes, tutor.sizes, blank_id=0)
    student.set_distillation(distiller, tutor)
    pupil, _ = build(TutorNetTask, **network)
    pupil.set_distillation(copy.deepcopy(distiller), cached_teacher(tutor))
    masked, _ = build(ASRTask, **network)
    hooked = mask_padding(masked.encoder)
    batch = make_batch(size["batch"], size["seconds"], size["vocabulary"])
    outputs = tutor(batch)
    brought = {**batch, **cached_stream(pupil.teacher, outputs)}

    hidden = outputs.hidden["last"].clone().requires_grad_()
    logits = torch.randn_like(outputs.log_probs).requires_grad_()
    pad_mask = torch.zeros(logits.shape[:2], dtype=torch.bool)
    rkd = RepresentationLoss(network["width"], network["width"])
    skd = SoftmaxLoss()

    def losses():
        rkd_loss = rkd(hidden, outputs.hidden["last"], outputs.log_probs, pad_mask)
        (rkd_loss + 0.25 * skd(logits, outputs.log_probs, pad_mask)).backward()
        hidden.grad = logits.grad = None

    median = alternate(
        {
            "stock student step": lambda: train_step(stock, batch),
            "teacher forward": lambda: tutor(batch),
            "RKD + SKD step": lambda: train_step(student, batch),
            "RKD + SKD step, cached": lambda: train_step(pupil, brought),
            "loss functions": losses,
            "masked student step": lambda: train_step(masked, batch),
        },
        options.rounds,
    )
    print(
        f"{options.size}: {size}, T={logits.size(1)}, {torch.get_num_threads()} threads"
    )
    for name, seconds in median.items():
        print(f"  {name:22s} {seconds:8.3f} s")
    parts = median["stock student step"] + median["teacher forward"]
    print(f"RKD + SKD step / (stock + teacher): {median['RKD + SKD step'] / parts:.3f}")
    ratio = median["RKD + SKD step, cached"] / median["stock student step"]
    print(f"cached RKD + SKD step / stock step: {ratio:.3f}")
    online = median["RKD + SKD step"] / median["RKD + SKD step, cached"]
    print(f"RKD + SKD step, online / cached:    {online:.3f}")
    share = median["loss functions"] / median["stock student step"]
    print(f"loss functions / stock step:        {share:.3f}")
    ratio = median["masked student step"] / median["stock student step"]
    print(f"masked student step / stock step:   {ratio:.3f} ({hooked} layers masked)")
    for criterion in ("l2", "kl"):
        extra = extra_temporaries(criterion)
        print(
            f"{criterion}: {extra['forward']:.2f} x (B, T, V) at the peak of the "
            f"forward pass, {extra['saved']:.2f} kept for the backward pass"
        )


if __name__ == "__main__":
    main()
