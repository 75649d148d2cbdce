"""From runs to figures: medians of the rounds, so that one disturbed round decides nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any, Final

from bench.contest import Cpu, Run
from bench.latency import Latencies

PERCENTS: Final = (50, 95, 99)


@dataclass(slots=True)
class Figures:
    """Everything that was measured, run by run."""

    runs: dict[str, list[Run]] = field(default_factory=dict)
    """By contestant; the runs of one index happened in the same minutes."""
    latencies: Latencies | None = None
    drain: Run | None = None

    def add(self, run: Run) -> None:
        """Keep one run."""
        self.runs.setdefault(run.name, []).append(run)

    @property
    def rounds(self) -> int:
        """How many rounds there were."""
        return len(self.runs.get("spine", ()))

    def per_second(self, name: str) -> float:
        """The median throughput of a contestant."""
        return median(run.per_second for run in self.runs[name])

    def ratio(self, name: str, to: str) -> float:
        """The median of the rounds' ratios: what slowed a round slowed both."""
        pairs = zip(self.runs[name], self.runs[to], strict=True)
        return median(one.per_second / other.per_second for one, other in pairs)

    def cpu(self, name: str) -> Cpu:
        """The median processor time of each process for a command, in microseconds."""
        spent = [run.cpu for run in self.runs[name]]
        return Cpu(
            median(cpu.client for cpu in spent),
            _median([cpu.broker for cpu in spent]),
            _median([cpu.database for cpu in spent]),
        )

    def as_json(self) -> dict[str, Any]:
        """The figures by the names under which they are published."""
        told: dict[str, Any] = {
            f"{name}_per_second": round(self.per_second(name), 1) for name in self.runs
        }
        told["ratio_bare"] = round(self.ratio("spine", "bare"), 4)
        told["ratio_naive"] = round(self.ratio("spine", "naive"), 4)
        for percent in PERCENTS:
            taken = self.latencies.percentile(percent) if self.latencies else None
            told[f"reply_p{percent}_ms"] = None if taken is None else round(taken, 2)
        told["cpu_us"] = {name: _rounded(asdict(self.cpu(name))) for name in self.runs}
        told["rounds"] = self.rounds
        told["commands"] = {name: runs[0].count for name, runs in self.runs.items()}
        told["outputs"] = {name: [run.outputs for run in runs] for name, runs in self.runs.items()}
        told["repeats"] = {name: [run.repeats for run in runs] for name, runs in self.runs.items()}
        told["drain_50000_s"] = round(self.drain.seconds, 2) if self.drain else None
        return told


@dataclass(slots=True)
class Sizes:
    """Throughput and latency of registers of several sizes, round by round."""

    runs: dict[int, list[Run]] = field(default_factory=dict)
    latencies: dict[int, list[Latencies]] = field(default_factory=dict)
    seeded_per_second: dict[int, float | None] = field(default_factory=dict)

    def per_second(self, assets: int) -> float:
        """The median throughput at a size."""
        return median(run.per_second for run in self.runs[assets])

    def percentile(self, assets: int, percent: int) -> float:
        """The median of the rounds' percentiles at a size."""
        return median(one.percentile(percent) for one in self.latencies[assets])

    def as_json(self) -> dict[str, Any]:
        """The figures; a ratio is that of the largest register to the smallest, round by round."""
        small, large = min(self.runs), max(self.runs)
        speeds = zip(self.runs[large], self.runs[small], strict=True)
        waits = zip(self.latencies[large], self.latencies[small], strict=True)
        return {
            "rounds": len(self.runs[small]),
            "ratio_throughput": round(
                median(one.per_second / other.per_second for one, other in speeds), 4
            ),
            "ratio_p99": round(
                median(one.percentile(99) / other.percentile(99) for one, other in waits), 4
            ),
            "registers": {str(assets): self._register(assets) for assets in sorted(self.runs)},
        }

    def _register(self, assets: int) -> dict[str, Any]:
        seeded = self.seeded_per_second.get(assets)
        return {
            "spine_per_second": round(self.per_second(assets), 1),
            **{f"reply_p{p}_ms": round(self.percentile(assets, p), 2) for p in PERCENTS},
            "seeded_per_second": None if seeded is None else round(seeded, 1),
        }


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if len(known) == len(values) else None


def _rounded(values: Mapping[str, float | None]) -> dict[str, float | None]:
    return {name: None if value is None else round(value, 1) for name, value in values.items()}
