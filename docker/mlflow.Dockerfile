# Image of the tracking server.
FROM python:3.11-slim-bookworm
RUN useradd --uid 1000 --create-home ser && install -d -o ser -g ser /artifacts
COPY docker/requirements/mlflow.txt /tmp/
RUN pip install --no-cache-dir --no-deps --require-hashes -r /tmp/mlflow.txt
COPY docker/answers docker/with-secrets docker/make-secrets /usr/local/bin/
COPY mlflow /app/mlflow
ENV HOME=/tmp PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 MLFLOW_DISABLE_TELEMETRY=true
USER ser
WORKDIR /tmp
ENTRYPOINT ["with-secrets"]
CMD ["/app/mlflow/server", "--host", "0.0.0.0"]
