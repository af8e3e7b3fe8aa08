"""Temperature scaling: calibration of probabilities by a single number. n clips, C classes."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

# Our choice: if every validation clip is recognised, the likelihood has no maximum, and the temperature goes to zero.
LOWEST, HIGHEST = 0.25, 10.0


def fit_temperature(logits: NDArray[np.floating], labels: NDArray[np.integer]) -> float:
    """Fit the temperature T that maximises the likelihood of the labels under softmax(logits / T).

    T changes the confidence of the network, and never its most probable class.

    Args:
        logits: of clips that the weights were not fitted to, (n, C), n > 0.
        labels: class of each clip, (n,), whole numbers in [0, C).

    Returns:
        T in [0.25, 10].

    Source:
        Guo et al., On calibration of modern neural networks (2017), section 4.2.
    """
    scores = np.asarray(logits, np.float64)
    truth = scores[np.arange(len(labels)), labels]

    def loss(log_temperature: float) -> float:
        temperature = math.exp(log_temperature)
        return float(np.mean(logsumexp(scores / temperature, axis=1) - truth / temperature))

    bounds = math.log(LOWEST), math.log(HIGHEST)
    optimum = minimize_scalar(loss, bounds=bounds, method="bounded")
    return math.exp(optimum.x)
