# The workers as an image: production packages only, no tools, no secret inside.
# Build: docker build --tag flexspine .
FROM python:3.11-slim AS packages
# The hashes say that what comes is what was tested, wherever it comes from.
COPY requirements-production.lock /tmp/
RUN python -m venv /opt/flexspine \
    && /opt/flexspine/bin/pip install --no-cache-dir --disable-pip-version-check \
        --require-hashes --requirement /tmp/requirements-production.lock

FROM python:3.11-slim
RUN groupadd --gid 10001 flexspine \
    && useradd --uid 10001 --gid flexspine --home-dir /var/lib/flexspine --create-home \
        --shell /usr/sbin/nologin flexspine
COPY --from=packages /opt/flexspine /opt/flexspine
WORKDIR /app
COPY pyproject.toml requirements-production.lock ./
COPY contracts contracts
COPY handlers handlers
COPY topology topology
COPY outbox outbox
COPY workers workers
COPY examples examples
# The program runs from its checkout, here as on any machine: a path and a command, nothing built.
RUN printf '%s\n' '#!/opt/flexspine/bin/python' 'import sys' 'from workers.cli.main import main' \
        'sys.exit(main())' >/usr/local/bin/flexspine \
    && chmod 755 /usr/local/bin/flexspine \
    && /opt/flexspine/bin/python -m compileall -q /app
ENV PYTHONPATH=/app \
    PYTHONDONTWRITEBYTECODE=1 \
    FLEXSPINE_FOLDER=/var/lib/flexspine
USER flexspine
# Whether this container's own worker is alive; a server that is away is no reason to restart it.
HEALTHCHECK --interval=30s --timeout=20s --start-period=60s --retries=3 \
    CMD ["flexspine", "doctor", "--quick"]
CMD ["flexspine", "work"]
