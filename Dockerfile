# The bot alone, not as root. Its database is on the volume /data, unless DATABASE_URL says otherwise.
FROM python:3.11.14-slim

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1
WORKDIR /app

# With PostgreSQL: --build-arg REQUIREMENTS=requirements-postgres.txt
ARG REQUIREMENTS=requirements.txt
COPY ${REQUIREMENTS} ./requirements.txt
RUN pip install --require-hashes --requirement requirements.txt

COPY bot ./bot
COPY cogs ./cogs

RUN useradd --system --uid 10001 vary && install --directory --owner vary /data
USER vary
VOLUME /data
ENV DATABASE_URL=sqlite:////data/vary.db HEALTH_PORT=9090

# Whether Discord reaches it, the database answers and the API is called: bot/health.py.
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 CMD ["python", "-c", \
    "import os, urllib.request as u; u.urlopen(f'http://127.0.0.1:{os.environ[\"HEALTH_PORT\"]}/readyz')"]

# The shell form would keep SIGTERM from the bot, which needs it to finish what runs. Another role
# is another command: python -m bot worker.
CMD ["python", "-m", "bot"]
