# Image of head, workers and sweep: Ray with `ser`. One image, as all machines of a cluster must have the same versions.
FROM python:3.11-slim-bookworm
RUN useradd --uid 1000 --create-home ser && install -d -o ser -g ser /shared /data
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
RUN pip install --no-cache-dir --no-deps --extra-index-url "$TORCH_INDEX" torch==2.13.0
COPY docker/requirements/ray.txt /tmp/
RUN pip install --no-cache-dir --no-deps --require-hashes -r /tmp/ray.txt
COPY pyproject.toml README.md LICENSE /app/
COPY ser /app/ser
RUN pip install --no-cache-dir --no-deps --no-build-isolation /app && rm -rf /app/build
COPY tune /app/tune
COPY docker/answers docker/with-secrets docker/start-ray /usr/local/bin/
# Folders that Ray, numba and matplotlib can write to in a read-only container.
ENV HOME=/tmp PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 NUMBA_CACHE_DIR=/tmp/numba MPLCONFIGDIR=/tmp/matplotlib \
    RAY_USAGE_STATS_ENABLED=0 MLFLOW_DISABLE_TELEMETRY=true
ARG COMMIT=unknown
ENV SER_COMMIT=$COMMIT
USER ser
WORKDIR /app
ENTRYPOINT ["with-secrets"]
