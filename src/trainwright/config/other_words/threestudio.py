"""Flags of threestudio's launch.py, and keys of its configurations."""

WORDS = {
    "config": "the first word: `trainwright train` FILE",
    "train": "`trainwright train`",
    "validate": "`trainwright validate`",
    "test": "`trainwright test`",
    "export": "`trainwright export`",
    "gradio": "`trainer.progress=file`: progress.json in the run, and standard output is kept for answers",
    "data_type": "type of `data`",
    "system_type": "type of `system`",
    "exp_root_dir": "`run.dir`",
    "exp_dir": "`run.dir`",
    "trial_dir": "`run.dir`",
    "trial_name": "`run.name`",
    "tag": "`run.name`",
    "use_timestamp": "`run.dir`: named, it has no time in it",
    "timestamp": "`run.dir`: named, it has no time in it",
    "n_gpus": "`launch.devices`",
    "ckpts": "`trainer.checkpoint`",
    "custom": "`imports`",
}
