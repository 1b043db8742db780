"""Settings of what goes on without a client: runs, and what is over."""

from holdfast.compose.config.model import RetentionSettings, RunSettings
from holdfast.compose.config.shapes import Field, Real, Record, Whole

RUNS = Record(
    build=RunSettings,
    fields={
        "lease_s": Field(Real(least=1, most=3600), "seconds that a silent worker keeps a run"),
        "max_activations": Field(
            Whole(least=1, most=1000), "lost workers in a row until a run is dead"
        ),
    },
)

_DAYS = Whole(least=1, most=36_500)
RETENTION = Record(
    build=RetentionSettings,
    fields={
        "sessions_days": Field(_DAYS, "days that calls of ended sessions and runs are kept"),
        "effects_days": Field(
            Whole(least=7, most=36_500), "days that done and failed effects are kept"
        ),
        "conversations_days": Field(_DAYS, "days that conversations are kept after a save"),
        "every_s": Field(Real(least=1, most=86_400), "seconds between two passes"),
    },
)
