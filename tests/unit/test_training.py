import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from ser.evaluation.inference import compute_probabilities, evaluate
from ser.training.checkpoint import FILE_NAME, TrainingError, load_state, save_state
from tests.support.tone_training import (
    N_CLASSES,
    PLAIN,
    QUICK,
    TRAIN,
    VALIDATION,
    Tones,
    figures,
    model,
    start,
)


def test_learns_what_can_be_learnt():
    epochs = list(start(settings=replace(QUICK, max_epochs=12)))
    assert epochs[-1].best_val_uar > 0.95
    assert epochs[-1].train_loss < epochs[0].train_loss
    assert [epoch.epoch for epoch in epochs] == list(range(1, len(epochs) + 1))
    assert [epoch.last for epoch in epochs] == [False] * (len(epochs) - 1) + [True]
    assert all(epoch.seconds > 0 for epoch in epochs)


def test_random_labels_are_predicted_at_chance_level():
    rng = np.random.default_rng(0)
    train, validation = Tones(150, seed=4), Tones(300, seed=5)
    train.labels, validation.labels = rng.permutation(train.labels), rng.permutation(validation.labels)
    *_, last = start(train=train, validation=validation)
    # The standard error of chance on 300 clips is 0.027.
    assert abs(last.val_uar - 1 / N_CLASSES) < 4 * 0.027


def test_epoch_figures_are_those_of_its_confusion_matrix():
    epoch = next(iter(start()))
    assert epoch.confusion.sum() == len(VALIDATION)
    assert epoch.confusion.dtype == np.int64
    assert epoch.val_accuracy == np.trace(epoch.confusion) / len(VALIDATION)
    assert epoch.val_uar == pytest.approx((np.diagonal(epoch.confusion) / 10).mean())
    assert 0 <= epoch.val_macro_f1 <= 1


def test_same_seed_same_result_and_the_global_state_stays():
    torch.manual_seed(5)
    expected = torch.rand(2)
    torch.manual_seed(5)
    first = [figures(epoch) for epoch in start()]
    assert torch.equal(torch.rand(2), expected)
    torch.rand(100)
    assert [figures(epoch) for epoch in start()] == first
    assert [figures(epoch) for epoch in start(settings=replace(QUICK, seed=1))] != first


def test_same_seed_same_result_in_another_process(request):
    script = (
        "import json, sys, torch; torch.set_num_threads(int(sys.argv[1]))\n"
        "from tests.support.tone_training import start\n"
        "print(json.dumps([epoch.val_loss for epoch in start()]))"
    )
    command = [sys.executable, "-c", script, str(torch.get_num_threads())]
    done = subprocess.run(command, cwd=request.config.rootpath, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [epoch.val_loss for epoch in start()]


@pytest.mark.parametrize(("name", "dimensions"), [("sercnn", 1), ("vgg16", 2)])
@pytest.mark.parametrize("schedule", ["cosine", "one_cycle"])
def test_resumed_is_uninterrupted(tmp_path, name, dimensions, schedule):
    parts = {
        "train": Tones(33, seed=1, dimensions=dimensions),
        "validation": Tones(9, seed=2, dimensions=dimensions),
        "settings": replace(QUICK, max_epochs=4, schedule=schedule),
    }
    whole = start(model(name=name, dimensions=dimensions), **parts)
    expected = [figures(epoch) for epoch in whole]
    broken = start(model(name=name, dimensions=dimensions), **parts)
    for epoch in broken:
        if epoch.epoch == 2:
            break
    save_state(broken.state(), tmp_path)
    resumed = start(model(3, name=name, dimensions=dimensions), resume=load_state(tmp_path), **parts)
    assert [figures(epoch) for epoch in resumed] == expected[2:]
    for ours, theirs in ((resumed.best_weights(), whole.best_weights()), states(resumed, whole)):
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[key], theirs[key]) for key in ours)


def test_resumed_with_averaged_weights_is_uninterrupted(tmp_path):
    settings = replace(QUICK, max_epochs=4, averaging=10)
    whole = start(settings=settings)
    expected = [figures(epoch) for epoch in whole]
    broken = start(settings=settings)
    next(iter(broken))
    save_state(broken.state(), tmp_path)
    resumed = start(model(3), settings=settings, resume=load_state(tmp_path))
    assert [figures(epoch) for epoch in resumed] == expected[1:]
    assert all(torch.equal(value, whole.best_weights()[name]) for name, value in resumed.best_weights().items())


def test_averaged_weights_are_those_that_are_validated_and_kept():
    run = start(settings=replace(QUICK, max_epochs=1, averaging=10))
    (epoch,) = run
    assert evaluate(run.model, VALIDATION, n_classes=N_CLASSES, batch_size=16).loss != epoch.val_loss
    network = model(9)
    network.load_state_dict(run.best_weights())
    assert evaluate(network, VALIDATION, n_classes=N_CLASSES, batch_size=16).loss == epoch.val_loss


def test_an_average_over_one_step_is_the_last_step():
    for plain, averaged in zip(start(), start(settings=replace(QUICK, averaging=1)), strict=True):
        assert figures(plain) == figures(averaged)


def test_balanced_classes_count_alike_however_many_clips_they_have():
    # Of a network that knows nothing, the loss is the mean over classes only where they are balanced.
    few = Tones(90, seed=1)
    few.labels = np.repeat(np.arange(3), (70, 15, 5))
    last = nn.Linear(8 * 40, N_CLASSES)
    network = nn.Sequential(nn.Flatten(), last)
    nn.init.zeros_(last.weight)
    last.bias.data = torch.tensor([2.0, 0.0, 0.0])
    settings = replace(QUICK, max_epochs=1, lr=1e-5, label_smoothing=0.0, warmup=0.0, class_weighting="balanced")
    (epoch,) = start(network, train=few, settings=settings, augment=PLAIN)
    of_class = -torch.tensor([2.0, 0.0, 0.0]).log_softmax(0)
    assert epoch.train_loss == pytest.approx(of_class.mean().item(), rel=0.02)


def test_votes_are_learnt_as_far_as_their_share_goes():
    # Listeners take every clip for the next class.
    votes = np.eye(N_CLASSES, dtype=np.float32)[(TRAIN.labels + 1) % N_CLASSES]
    settings = replace(QUICK, max_epochs=12, vote_share=1.0)
    *_, last = start(settings=settings, votes=votes, augment=PLAIN)
    assert last.confusion[[0, 1, 2], [1, 2, 0]].sum() > 0.9 * len(VALIDATION)
    *_, last = start(settings=replace(settings, vote_share=0.2), votes=votes, augment=PLAIN)
    assert last.val_uar > 0.9


def test_votes_that_count_must_be_there():
    with pytest.raises(TrainingError, match=r"training.vote_share 0.3 needs the listeners' votes: put .*summaryTable"):
        start(settings=replace(QUICK, vote_share=0.3))


def states(*runs):
    """Weights and optimiser of each run, as one mapping each."""
    return [{**run.state().weights, **run.state().optimizer} for run in runs]


def test_a_state_does_not_change_as_training_continues():
    run = start()
    epochs = iter(run)
    next(epochs)
    state = run.state()
    before = {key: value.clone() for key, value in state.weights.items()}
    resumed = start(resume=state)
    list(epochs)
    list(resumed)
    assert all(torch.equal(state.weights[key], before[key]) for key in before)


def test_a_finished_training_resumes_to_nothing():
    run = start(settings=replace(QUICK, max_epochs=1))
    list(run)
    assert list(start(settings=replace(QUICK, max_epochs=1), resume=run.state())) == []


def test_best_weights_give_the_best_epoch_again():
    run = start()
    epochs = list(run)
    best = max(epochs, key=lambda epoch: (epoch.val_uar, -epoch.val_loss))
    assert (epochs[-1].best_epoch, epochs[-1].best_val_uar) == (best.epoch, best.val_uar)
    network = model(9)
    network.load_state_dict(run.best_weights())
    again = evaluate(network, VALIDATION, n_classes=N_CLASSES, batch_size=16)
    assert again.confusion.tolist() == best.confusion.tolist()
    assert again.loss == best.val_loss


def test_stops_when_the_validation_no_longer_gets_better():
    # Training labels are wrong by one: validation UAR peaks early and only falls.
    wrong = Tones(75, seed=1)
    wrong.labels = (wrong.labels + 1) % N_CLASSES
    epochs = list(start(train=wrong, settings=replace(QUICK, max_epochs=30, patience=3), augment=PLAIN))
    assert len(epochs) == epochs[-1].best_epoch + 3 < 30
    assert [epoch.last for epoch in epochs].index(True) == len(epochs) - 1


@pytest.mark.parametrize("n_clips", [2, 17, 33])
def test_no_number_of_clips_leaves_a_batch_of_one(n_clips):
    few = Tones(n_clips, seed=1, dimensions=2)
    network = model(name="vgg16", dimensions=2)
    settings = replace(QUICK, max_epochs=1)
    assert len(list(start(network, train=few, validation=few, settings=settings))) == 1


def test_every_training_clip_is_seen_once_per_epoch():
    seen = []

    class Watched(Tones):
        def batch(self, positions, rng):
            seen.extend(positions)
            return super().batch(positions, rng)

    next(iter(start(train=Watched(75, seed=1))))
    assert sorted(seen) == list(range(75))


def test_a_loss_that_is_not_finite_names_epoch_rate_and_remedy():
    broken = Tones(30, seed=1)
    broken.clips[7] = np.nan
    with pytest.raises(TrainingError, match=r"epoch 1 is not finite at lr .*lower training\.lr"):
        list(start(train=broken))


def test_too_few_clips_are_refused():
    with pytest.raises(TrainingError, match="at least 2 clips and validation 1, got 1 and 30"):
        start(train=Tones(1, seed=1))
    with pytest.raises(TrainingError, match="got 75 and 0"):
        start(validation=Tones(0, seed=1))


def test_missing_and_damaged_states_are_refused(tmp_path):
    with pytest.raises(TrainingError, match="start this training again"):
        load_state(tmp_path / "missing")
    (tmp_path / FILE_NAME).write_bytes(b"not a state")
    with pytest.raises(TrainingError, match="start this training again"):
        load_state(tmp_path)


def test_evaluation_keeps_order_and_sums_to_one():
    network = model().eval()
    seen = evaluate(network, VALIDATION, n_classes=N_CLASSES, batch_size=7)
    shares = compute_probabilities(seen.logits, temperature=1.0)
    assert shares.shape == (30, N_CLASSES)
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    picked = shares[np.arange(30), VALIDATION.labels]
    assert seen.loss == pytest.approx(-np.log(picked).mean(), rel=1e-5)
    alone = network(torch.from_numpy(VALIDATION.clips[29:])).softmax(1).detach().numpy()
    np.testing.assert_allclose(shares[29:], alone, rtol=1e-5)
    np.testing.assert_array_equal(seen.predictions, shares.argmax(axis=1))


def test_evaluating_no_clips_is_refused():
    with pytest.raises(ValueError, match="no clips to evaluate"):
        evaluate(model(), Tones(0, seed=1), n_classes=N_CLASSES)
