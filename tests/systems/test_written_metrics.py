"""Metrics and losses of a plain system as a configuration names them: mistakes are told when it is read, with what would fit."""

import pytest

from trainwright.cli.main import main
from trainwright.config.errors import ConfigError
from trainwright.losses.choosing import loss_options
from trainwright.metrics import written_metric

MODEL = "model: {type: graph, nodes: [{Linear: [4, 3]}]}\ndata: {type: table, path: 'builtin:iris', target: target}\n"


def validate(tmp_path, capsys, text):
    path = tmp_path / "net.yaml"
    path.write_text(MODEL + text)
    code = main(["validate", str(path)])
    found = capsys.readouterr()
    return code, found.out + found.err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("metrics: [acuracy]", "did you mean 'accuracy'?"),
        ("metrics: [accuracy, {type: f1, avrage: micro}]", "metric 'f1' has no option 'avrage'"),
        ("metrics: [{type: f1, average: mico}]", "average of metric 'f1' is 'mico'"),
        ("loss: {type: cross_entropy, label_smooting: 0.1}", "did you mean 'label_smoothing'?"),
        ("loss: [{type: ce, label_smooting: 0.1}, focal]", "did you mean 'label_smoothing'?"),
    ],
)
def test_what_there_is_not_is_refused_by_validate_with_the_nearest(tmp_path, capsys, text, words):
    code, said = validate(tmp_path, capsys, text)
    assert code == 2
    assert words in said
    assert "net.yaml:3:" in said


def test_a_metric_with_options_is_its_key():
    assert written_metric({"type": "f1", "average": "micro"}) == "f1_micro"
    assert written_metric({"type": "ece", "bins": 5}) == "ece_5"
    assert written_metric("top_k_accuracy_2") == "top_k_accuracy_2"


def test_metrics_with_options_and_at_paths_are_valid(tmp_path, capsys):
    (tmp_path / "mine.py").write_text("def share(output, target):\n    return (output.argmax(1) == target).double().mean()\n")
    code, said = validate(tmp_path, capsys, "metrics: [{type: f1, average: micro}, f1_weighted, './mine.py:share']")
    assert code == 0, said


def test_an_option_of_one_of_several_losses_is_looked_for_in_that_one():
    with pytest.raises(ConfigError, match="did you mean 'label_smoothing'"):
        loss_options([{"type": "mse"}, {"type": "ce", "label_smooting": 0.1}])
