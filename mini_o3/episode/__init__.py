"""One question about one picture: the task, the environment, the policy contract, the run and the record."""

from mini_o3.episode.limits import OVER_TURN, Limits, StopReason
from mini_o3.episode.messages import opening, response
from mini_o3.episode.policy import Conversation, LimitReached, Message, Policy, PolicyError, Reply, Request
from mini_o3.episode.record import EPISODES_FILE, Episode
from mini_o3.episode.run import EpisodeRun, Lens, run_episode
from mini_o3.episode.session import Corrected, Observed, Outcome, Session, Stopped
from mini_o3.episode.status import NOT_THERE, Status
from mini_o3.episode.task import SearchTask, read_tasks
from mini_o3.episode.turn import Turn

__all__ = [
    "EPISODES_FILE",
    "NOT_THERE",
    "OVER_TURN",
    "Conversation",
    "Corrected",
    "Episode",
    "EpisodeRun",
    "Lens",
    "LimitReached",
    "Limits",
    "Message",
    "Observed",
    "Outcome",
    "Policy",
    "PolicyError",
    "Reply",
    "Request",
    "SearchTask",
    "Session",
    "Status",
    "StopReason",
    "Stopped",
    "Turn",
    "opening",
    "read_tasks",
    "response",
    "run_episode",
]
