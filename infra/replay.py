"""The command `stockwire replay`, which stores the splits of a file in both databases."""

from infra.found_splits import collecting_splits
from producer.replay_command import build_replay

replay = build_replay(collecting_splits)
