"""No test reaches a hub, and none a real model by accident."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["OPENBLAS_NUM_THREADS"] = "1"
for name in [n for n in os.environ if n.startswith("TAMIZ_")]:
    del os.environ[name]
os.environ["TAMIZ_LLM__MODEL"] = "none"  # the tests of the language model name theirs; all others are faster without
