# Two images: `tamiz` (all commands and the stand-ins) and `mlflow` (the tracking server, from the same lock).
# docker compose builds both. TORCH_INDEX may name an index that has CPU wheels of torch, for a smaller image.
FROM python:3.11.13-slim-bookworm AS base
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PATH=/venv/bin:$PATH
RUN python -m venv /venv \
    && groupadd --gid 10001 tamiz \
    && useradd --uid 10001 --gid 10001 --home-dir /app --no-create-home --shell /usr/sbin/nologin tamiz

FROM base AS wheels
ARG TORCH_INDEX=""
WORKDIR /src
COPY requirements.lock pyproject.toml ./
RUN if [ -n "$TORCH_INDEX" ]; then pip install --index-url "$TORCH_INDEX" "$(grep '^torch==' requirements.lock)"; fi
COPY . .
RUN pip install --constraint requirements.lock ".[finetune]"

FROM base AS tamiz
COPY --from=wheels /venv /venv
COPY --chmod=755 deploy/every.sh /app/every.sh
RUN mkdir /app/var && chown 10001:10001 /app/var
WORKDIR /app
USER 10001:10001
ENV HF_HUB_OFFLINE=1 TAMIZ_HOME=/app/var MPLCONFIGDIR=/tmp/matplotlib
CMD ["python", "-m", "batch", "--help"]

FROM base AS mlflow
COPY requirements.lock /tmp/requirements.lock
RUN pip install --constraint /tmp/requirements.lock mlflow psycopg2-binary==2.9.10 \
    && mkdir /mlflow && chown 10001:10001 /mlflow
WORKDIR /mlflow
USER 10001:10001
CMD ["mlflow", "server", "--help"]
