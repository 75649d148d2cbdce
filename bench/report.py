"""What a reader sees of the figures: a table on the terminal, and a plot in a file."""

from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.figures import PERCENTS, Figures, Sizes

UNKNOWN = "–"


def show(figures: Figures, console: Console) -> None:
    """Print who did how much, and at which cost."""
    table = Table(title=f"medians of {figures.rounds} rounds")
    table.add_column("contestant", no_wrap=True)
    for heading in ("commands/s", "client µs", "broker µs", "database µs", "spine is"):
        table.add_column(heading, justify="right")
    for name in figures.runs:
        cpu = figures.cpu(name)
        table.add_row(
            name,
            f"{figures.per_second(name):,.0f}",
            *(_number(value) for value in (cpu.client, cpu.broker, cpu.database)),
            UNKNOWN if name == "spine" else f"{figures.ratio('spine', name):.2f} of it",
        )
    console.print(table)
    if figures.latencies:
        taken = ", ".join(f"p{p} {figures.latencies.percentile(p):.1f} ms" for p in PERCENTS)
        console.print(f"command to reply at low load: {taken}")
    if figures.drain:
        console.print(f"{figures.drain.count:,} commands drained in {figures.drain.seconds:.1f} s")


def show_sizes(sizes: Sizes, console: Console) -> None:
    """Print what a larger register costs."""
    told = sizes.as_json()
    table = Table("assets", title=f"medians of {told['rounds']} rounds")
    for heading in ("commands/s", *(f"p{p} ms" for p in PERCENTS), "seeded/s"):
        table.add_column(heading, justify="right")
    for assets in sorted(sizes.runs):
        table.add_row(
            f"{assets:,}",
            f"{sizes.per_second(assets):,.0f}",
            *(f"{sizes.percentile(assets, p):.1f}" for p in PERCENTS),
            _number(sizes.seeded_per_second.get(assets)),
        )
    console.print(table)
    console.print(
        f"largest to smallest: throughput {told['ratio_throughput']:.2f}, "
        f"p99 {told['ratio_p99']:.2f}"
    )


def plot(figures: Figures, path: Path) -> None:
    """Draw every round's throughput and where the processor time went, as SVG."""
    import matplotlib as mpl  # noqa: PLC0415 - half a second that only a plot should cost

    mpl.use("svg")
    from matplotlib import pyplot as plt  # noqa: PLC0415 - after the choice of the backend

    figure, (speed, cost) = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    names = list(figures.runs)
    for number, name in enumerate(names):
        each = [run.per_second for run in figures.runs[name]]
        speed.bar(number, figures.per_second(name), color=f"C{number}", alpha=0.6)
        speed.scatter([number] * len(each), each, color="black", s=10, zorder=3)
    speed.set_xticks(range(len(names)), names)
    speed.set_title("commands per second: median, and every round")
    bottom = [0.0] * len(names)
    for part in ("client", "broker", "database"):
        used = [getattr(figures.cpu(name), part) or 0.0 for name in names]
        cost.bar(names, used, bottom=bottom, label=part)
        bottom = [low + more for low, more in zip(bottom, used, strict=True)]
    cost.set_title("processor time of a command, µs")
    cost.legend()
    figure.savefig(path, format="svg")
    plt.close(figure)


def _number(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:,.0f}"
