"""The health of the pipeline, as `GET /v1/health` tells it."""
