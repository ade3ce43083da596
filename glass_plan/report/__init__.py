"""What a reader gets to see: figures, a video and one self-contained HTML page."""

from glass_plan.report.figures import Panel, clearance_figure, plan_figure
from glass_plan.report.html import write_report
from glass_plan.report.video import rollout_frames, write_video

__all__ = [
    "Panel",
    "clearance_figure",
    "plan_figure",
    "rollout_frames",
    "write_report",
    "write_video",
]
