"""Create the views anew: SQLite reads the few series before the prices of each, and `prices_by_time` is new."""

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Change no table. The views are created anew after every migration."""
