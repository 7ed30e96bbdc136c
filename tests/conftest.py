from hypothesis import HealthCheck, settings

settings.register_profile(
    "softcheck",
    deadline=None,  # seconds are not asserted
    derandomize=True,  # a red run is red again
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("softcheck")
