"""Parts that several tests share: real servers, sweeps real and simulated, faults to inject, checks of results."""
