import signal

from hypothesis import HealthCheck, settings

# What a shell starts in the background ignores it, and so would all that is started here.
signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile(
    "softcheck",
    deadline=None,  # seconds are not asserted
    derandomize=True,  # a red run is red again
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("thorough", settings.get_profile("softcheck"), max_examples=500)
settings.load_profile("softcheck")  # --hypothesis-profile=thorough, as .ci/lowest, draws five times
