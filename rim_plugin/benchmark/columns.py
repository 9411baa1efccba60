"""What the tables of a benchmark have as columns: every registered metric's standard ones."""

from rim_plugin.evaluation.metric import ImageMetric, Metric, PairMetric, standard_metrics
from rim_plugin.evaluation.metrics.lpips import LPIPS


def image_metrics(lpips: str | None = None) -> dict[str, ImageMetric]:
    """Metrics of SR faces by the name of their column.

    Args:
        lpips: AlexNet's weights; None for no LPIPS, which alone needs a file.
    """
    metrics = standard_metrics(ImageMetric)
    if lpips is not None:
        metrics['lpips'] = LPIPS(lpips)
    return metrics


def pair_metrics() -> dict[str, PairMetric]:
    """Metrics of pairs and of identification by the name of their table."""
    return standard_metrics(PairMetric)


def head(metric: Metric) -> str:
    """Of the metric's column."""
    return metric.title if metric.higher_is_better else f'{metric.title} (less is better)'
