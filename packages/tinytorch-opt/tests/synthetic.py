"""Time that is made up: a clock that moves only when a made-up program says how long it took."""

from collections.abc import Callable

import numpy as np

from tinytorch.opt.benchmarking import Clock


class Time:
    """A clock at 0, and programs that take as long as they are told to."""

    def __init__(self, step: float = 0.0) -> None:
        self.now = 0.0
        self.busy = 0.0  # CPU time
        self.step = step

    @property
    def clock(self) -> Clock:
        return Clock(self.wall, lambda: self.busy, self.step)

    def wall(self) -> float:
        return self.now if not self.step else np.floor(self.now / self.step) * self.step

    def wait(self, moment: float) -> None:
        self.now = max(self.now, moment)

    def program(self, takes: Callable[[], float], share: float = 1.0) -> Callable[[], None]:
        """A function that takes `takes()` seconds, of which it computes a share."""

        def run() -> None:
            seconds = takes()
            self.now += seconds
            self.busy += share * seconds

        return run


def lognormal(seed: int, median: float = 1e-3, spread: float = 0.2) -> Callable[[], float]:
    """Durations as programs have them: never below 0, and now and then long."""
    rng = np.random.default_rng(seed)
    return lambda: float(median * np.exp(spread * rng.standard_normal()))
