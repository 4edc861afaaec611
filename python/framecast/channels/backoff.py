"""How long to wait before a stream that failed is started again: Grafana Live's rule (grafana-live §7), clockless."""

from framecast.settings import Sources


class Backoff:
    """The failures of one stream in a row."""

    def __init__(self, limits: Sources) -> None:
        self._limits = limits
        self._fast_failures = 0

    def after(self, ran_seconds: float) -> float:
        """Note a failure after `ran_seconds`; return how long to wait.

        0 for a run that was steady and for the first that was not; then 0.2, 0.4, 0.8 … and at most 5 s.
        """
        limits = self._limits
        if ran_seconds >= limits.steady_seconds:
            self._fast_failures = 0
            return 0.0
        self._fast_failures += 1
        if self._fast_failures == 1:
            return 0.0
        doublings = min(self._fast_failures - 2, 32)  # a float's exponent must not be reached
        return min(limits.restart_seconds * 2.0**doublings, limits.restart_max_seconds)
