"""Agreement with scikit-learn on random labels."""

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from ser.evaluation.metrics import accuracy, confusion_matrix, macro_f1, recall_per_class, unweighted_average_recall


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("classes", [(0, 1, 2, 3, 4, 5), (0, 2, 5), (1,)])
def test_agrees_with_scikit_learn(seed, classes):
    rng = np.random.default_rng(seed)
    truth = rng.choice(classes, size=200)
    prediction = np.where(rng.random(200) < 0.6, truth, rng.integers(0, 6, 200))
    confusion = confusion_matrix(truth, prediction, n_classes=6)
    np.testing.assert_array_equal(confusion, sklearn_metrics.confusion_matrix(truth, prediction, labels=range(6)))
    # Classes absent from the truth have no part in our means: scikit-learn is given the others as labels.
    averaged = {"labels": np.unique(truth), "average": "macro"}
    assert accuracy(confusion) == pytest.approx(sklearn_metrics.accuracy_score(truth, prediction))
    assert macro_f1(confusion) == pytest.approx(sklearn_metrics.f1_score(truth, prediction, **averaged))
    recall = sklearn_metrics.recall_score(truth, prediction, **averaged)
    assert unweighted_average_recall(confusion) == pytest.approx(recall)
    per_class = sklearn_metrics.recall_score(truth, prediction, labels=np.unique(truth), average=None)
    np.testing.assert_allclose(recall_per_class(confusion)[np.unique(truth)], per_class)
