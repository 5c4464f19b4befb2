"""Tiny teachers of every kind, as people publish them: built and packed by ESPnet.

``KINDS`` names them. Each is the configuration that a training of ESPnet's dumps, with
random parameters, in the archive that ``espnet2.bin.pack`` makes of it.
"""

import argparse
import importlib
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
import yaml
from espnet2.main_funcs.pack_funcs import pack

TOKENS = ["<blank>", "<unk>", "A", "B", "C", "D", "<sos/eos>"]
FRONTEND = dict(n_mels=20, hop_length=160, win_length=400)
RELATIVE = dict(rel_pos_type="latest", pos_enc_layer_type="rel_pos")
ATTENTION = dict(output_size=8, attention_heads=2, linear_units=8, num_blocks=2)
DECODER = dict(attention_heads=2, linear_units=8, num_blocks=1)
CONFORMER = dict(
    **ATTENTION,
    **RELATIVE,
    input_layer="conv2d",
    cnn_module_kernel=3,
    selfattention_layer_type="rel_selfattn",
)
CONTEXTUAL = dict(
    **ATTENTION,
    input_layer="conv2d",
    block_size=8,
    hop_size=4,
    look_ahead=2,
    init_average=True,
    ctx_pos_enc=True,
)
NO_CTC = dict(ctc_weight=0.0)
OWSM_CTC = dict(
    **ATTENTION,
    **RELATIVE,
    input_layer="conv2d8",
    cgmlp_linear_units=8,
    cgmlp_conv_kernel=3,
    merge_conv_kernel=3,
    attention_layer_type="rel_selfattn",
    use_ffn=True,
    macaron_ffn=True,
    interctc_layer_idx=[1],
    interctc_use_conditioning=True,
    use_cross_attention=[True, False],
)
TRANSDUCER = dict(
    decoder="transducer", decoder_conf=dict(hidden_size=6), joint_net_conf={}
)
TRANSDUCER["joint_net_conf"] = dict(joint_space_size=6)
OWSM_TOKENS = ["<blank>", "<unk>", "<nolang>", "<eng>", "<deu>", "<asr>", "<st_eng>"]
OWSM_TOKENS += ["<notimestamps>", "<na>", "A", "B", "C", "<sos>", "<eos>", "<sop>"]
STREAM_BODY = [dict(block_type="conformer", linear_size=8, hidden_size=8, heads=2)]
STREAM_BODY[0]["conv_mod_kernel_size"] = 3

# name -> task, arguments over those of a CTC conformer
KINDS = {
    "hybrid": ("asr", dict(decoder="transformer", decoder_conf=DECODER)),
    "utterance_mvn": ("asr", dict(normalize="utterance_mvn", normalize_conf={})),
    "no_ctc": (
        "asr",
        dict(decoder="transformer", decoder_conf=DECODER, model_conf=NO_CTC),
    ),
    "self_conditioned": (
        "asr",
        dict(
            encoder_conf=dict(interctc_layer_idx=[1], interctc_use_conditioning=True),
            model_conf=dict(ctc_weight=1.0, interctc_weight=0.5),
        ),
    ),
    "streaming": (
        "asr",
        dict(encoder="contextual_block_conformer", encoder_conf=CONTEXTUAL),
    ),
    "sinc": (
        "asr",
        dict(
            frontend="sliding_window",
            frontend_conf=dict(win_length=400, hop_length=400),
            preencoder="sinc",
            preencoder_conf=dict(fs=16000),
            normalize=None,
        ),
    ),
    "mask_ctc": ("asr", dict(model="maskctc", decoder="mlm", decoder_conf=DECODER)),
    "transducer": ("asr", dict(TRANSDUCER, model_conf=NO_CTC)),
    "transducer_ctc": ("asr", dict(TRANSDUCER, model_conf=dict(ctc_weight=0.3))),
    "multi_blank": (
        "asr",
        dict(
            TRANSDUCER,
            model_conf=dict(ctc_weight=0.0, transducer_multi_blank_durations=[2]),
        ),
    ),
    "word": ("asr", dict(token_type="word")),
    "asr_transducer": ("asr_transducer", {}),
    "asr_transducer_ctc": (
        "asr_transducer",
        dict(model_conf=dict(auxiliary_ctc_weight=0.5)),
    ),
    "slu": ("slu", {}),
    "owsm": (
        "s2t",
        dict(decoder="transformer", decoder_conf=DECODER, token_list=OWSM_TOKENS),
    ),
    "owsm_ctc": ("s2t_ctc", dict(token_list=OWSM_TOKENS)),
    "lora": (
        "asr",
        dict(
            use_adapter=True,
            adapter="lora",
            adapter_conf=dict(rank=2, target_modules=["linear_q"]),
        ),
    ),
    "whisper": (
        "asr",
        dict(
            frontend=None,
            input_size=1,
            encoder="whisper",
            encoder_conf=dict(whisper_model="tiny.en", do_pad_trim=False),
            normalize=None,
        ),
    ),
}
KINDS["whisper_30_s"] = ("asr", dict(KINDS["whisper"][1]))
KINDS["whisper_30_s"][1]["encoder_conf"] = dict(
    whisper_model="tiny.en", do_pad_trim=True
)
KINDS["wavlm"] = ("asr", dict(preencoder="linear", normalize="utterance_mvn"))
KINDS["wavlm"][1].update(
    normalize_conf={},
    frontend="s3prl",
    frontend_conf=dict(
        frontend_conf=dict(upstream="wavlm_local", path_or_url="base.pt"),
        multilayer_feature=True,
    ),
    preencoder_conf=dict(input_size=16, output_size=8),
)
KINDS["hubert"] = ("asr", {**KINDS["wavlm"][1]})
KINDS["hubert"][1]["frontend_conf"] = dict(
    frontend_conf=dict(upstream="hubert_local", path_or_url="base.pt"),
    multilayer_feature=True,
)
KINDS["w2v_bert"] = ("asr", {**KINDS["wavlm"][1]})
KINDS["w2v_bert"][1].update(frontend="huggingface", frontend_conf=dict(model="./base"))
PACKAGES = {"whisper": "whisper", "whisper_30_s": "whisper", "lora": "loralib"}
TINY = dict(whisper_model="tiny.en")
KINDS["whisper_whole"] = ("asr", {**KINDS["whisper"][1], "decoder": "whisper"})
KINDS["whisper_whole"][1].update(decoder_conf=TINY, model_conf=NO_CTC)
KINDS["whisper_front"] = ("asr", dict(frontend="whisper", frontend_conf=TINY))
KINDS["whisper_front"][1].update(normalize=None, normalize_conf={})
PACKAGES.update(dict.fromkeys(("whisper_whole", "whisper_front"), "whisper"))
PACKAGES.update(wavlm="s3prl", hubert="s3prl", w2v_bert="transformers")
WITHOUT_CTC = ("no_ctc", "transducer", "multi_blank", "asr_transducer")
WITHOUT_CTC += ("whisper_whole",)


def is_missing(kind):
    """Tell whether a package is missing that a kind needs."""
    return kind in PACKAGES and find_spec(PACKAGES[kind]) is None


def make_arguments(kind, stats):
    """Return the arguments of a kind, as ESPnet dumps them, and its task's class."""
    from espnet_tutornet.teacher.tasks import CLASSES

    task, changes = KINDS[kind]
    cls = getattr(importlib.import_module(f"espnet2.tasks.{task}"), CLASSES[task])
    args = vars(cls.get_parser().parse_args(["--output_dir", "exp/asr"]))
    args.update(token_list=list(TOKENS), token_type="char", frontend_conf=FRONTEND)
    args.update(normalize="global_mvn", normalize_conf=dict(stats_file=stats))
    args["encoder_conf"] = {}
    if task == "asr_transducer":
        args["encoder_conf"] = dict(
            input_conf=dict(conv_size=4, subsampling_factor=4), body_conf=STREAM_BODY
        )
        args["decoder_conf"] = dict(embed_size=4, hidden_size=4)
        args["joint_network_conf"] = dict(joint_space_size=4)
    elif task == "s2t_ctc":
        args["encoder"] = "e_branchformer_ctc"
        args["encoder_conf"] = OWSM_CTC
        args.update(promptencoder="transformer")
        args["promptencoder_conf"] = dict(ATTENTION)
        args["model_conf"] = dict(interctc_weight=0.5, ctc_asr_only=[False, True])
        args.update(preprocessor_conf=dict(fs=16000, speech_length=30))
    else:
        args.update(encoder="conformer", encoder_conf=CONFORMER)
        args["model_conf"] = dict(ctc_weight=0.3 if "decoder" in changes else 1.0)
        if "decoder" not in changes:
            args["decoder"] = None
    for key, value in changes.items():
        conf = (
            args.get(key) if key == "encoder_conf" and "encoder" not in changes else 0
        )
        args[key] = {**conf, **value} if conf else value
    return args, cls


def publish(kind, root, monkeypatch, fs=16000, more_tokens=()):
    """Build a teacher, dump and pack it; return the archive and ESPnet's own model."""
    monkeypatch.chdir(root)
    stats = "exp/stats/feats_stats.npz"
    (root / "exp/stats").mkdir(parents=True)
    (root / "exp/asr").mkdir()
    rng = np.random.default_rng(0)
    width = 400 if kind == "sinc" else 20
    np.savez(stats, count=2.0, sum=rng.random(width), sum_square=4 + rng.random(width))
    args, cls = make_arguments(kind, stats)
    if fs != 16000:
        args["frontend_conf"] = {**args["frontend_conf"], "fs": fs}
    args["token_list"] = [t for t in args["token_list"] if t not in more_tokens]
    args["token_list"][2:2] = more_tokens
    torch.manual_seed(1)
    make_base(kind, monkeypatch)
    model = build(cls, args)
    if kind.startswith("whisper"):  # nobody may fetch it again
        monkeypatch.setattr("whisper.load_model", None)
    for parameter in model.parameters():
        if parameter.dim() == 1:  # as a training could leave them
            torch.nn.init.normal_(parameter, std=0.3)
    (root / "exp/asr/config.yaml").write_text(yaml.safe_dump(args))
    torch.save(model.state_dict(), "exp/asr/valid.acc.ave.pth")
    name = "s2t" if KINDS[kind][0].startswith("s2t") else "asr"
    archive = root / "teacher.zip"
    pack(
        files={f"{name}_model_file": "exp/asr/valid.acc.ave.pth"},
        yaml_files={f"{name}_train_config": "exp/asr/config.yaml"},
        option=[str(path) for path in Path("base").glob("*.json")],
        outpath=str(archive),
    )
    return archive, model.eval()


def make_base(kind, monkeypatch):
    """Make what the training of a teacher was given, and its publisher kept."""
    width = dict(encoder_embed_dim=16, encoder_ffn_embed_dim=16, encoder_layers=2)
    convolutions = "[(8,10,5)] + [(8,3,2)] * 4 + [(8,2,2)] * 2"
    if kind == "wavlm":
        from s3prl.upstream.wavlm.WavLM import WavLM, WavLMConfig

        conf = dict(width, encoder_attention_heads=2, conv_feature_layers=convolutions)
        conf.update(relative_position_embedding=True, gru_rel_pos=True)
        conf.update(num_buckets=32, max_distance=800, conv_pos=16)
        model = WavLM(WavLMConfig(conf))
        torch.save(dict(cfg=conf, model=model.state_dict()), "base.pt")
    elif kind == "hubert":
        from s3prl.upstream.hubert import hubert_model

        task = hubert_model.HubertPretrainingConfig(normalize=True)
        conf = dict(width, encoder_attention_heads=1, conv_feature_layers=convolutions)
        conf.update(extractor_mode="layer_norm", layer_norm_first=True, label_rate=50.0)
        conf.update(final_dim=4, untie_final_proj=True, conv_pos=16)
        symbols = [["a", "b", "c"]]
        sizes = hubert_model.HubertConfig(**conf)
        model = hubert_model.HubertModel(sizes, task, symbols)
        kept = dict(task_cfg=vars(task), model_cfg=conf, dictionaries_symbols=symbols)
        torch.save({**kept, "model_weight": model.state_dict()}, "base.pt")
    elif kind.startswith("whisper"):
        import whisper

        sizes = whisper.model.ModelDimensions(80, 1500, 64, 1, 1, 8, 8, 64, 1, 1)
        tiny = whisper.model.Whisper(sizes)
        monkeypatch.setattr(whisper, "load_model", lambda *_, **__: tiny)
    elif kind == "w2v_bert":
        import transformers

        conf = transformers.Wav2Vec2BertConfig(
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=16,
            add_adapter=False,
        )
        transformers.AutoModel.from_config(conf).save_pretrained("base")
        transformers.SeamlessM4TFeatureExtractor().save_pretrained("base")


def build(cls, args):
    """Build by ESPnet's own task, as its training does."""
    from espnet_tutornet.layers.rnnt_loss import provide_rnnt_loss

    provide_rnnt_loss(args.get("decoder"))
    model = cls.build_model(argparse.Namespace(**args))
    if args.get("use_adapter"):
        from espnet2.layers.create_adapter import create_adapter

        create_adapter(model, args["adapter"], args["adapter_conf"])
    return model
