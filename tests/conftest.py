"""No test reaches a hub, and none a real model by accident."""

import os

from hypothesis import HealthCheck, settings

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["OPENBLAS_NUM_THREADS"] = "1"
for name in [n for n in os.environ if n.startswith("TAMIZ_")]:
    del os.environ[name]
os.environ["TAMIZ_LLM__MODEL"] = "none"  # the tests of the language model name theirs; all others are faster without

# Tests do not time, and the folder of a test is used again by each of its examples.
settings.register_profile(
    "untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
settings.load_profile("untimed")
