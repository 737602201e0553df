# docker build .                          CPU: torch without CUDA
# docker build --build-arg DEVICE=cuda .  CUDA: torch as constraints.txt freezes it
# docker build --build-arg EXTRAS=ray .   with extras, such as ray or formats,s3
ARG PYTHON=3.11
FROM python:${PYTHON}-slim AS build
ARG DEVICE=cpu
ARG EXTRAS=
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1
WORKDIR /src
RUN pip install --no-cache-dir "uv>=0.7" && uv venv /opt/sortal
COPY pyproject.toml constraints.txt LICENSE README.md ./
COPY configs configs
COPY flows flows
COPY storage storage
COPY tasks tasks
COPY src src
RUN if [ "$DEVICE" = cuda ]; then set -- -c constraints.txt; \
    else grep -viE "^(nvidia|cuda|triton)" constraints.txt > /tmp/constraints.txt; \
         set -- --torch-backend cpu -c /tmp/constraints.txt; fi \
 && uv pip install --no-cache --python /opt/sortal/bin/python "$@" ".${EXTRAS:+[$EXTRAS]}"

FROM python:${PYTHON}-slim
RUN useradd --create-home --uid 1000 sortal && mkdir /data && chown sortal /data
COPY --from=build /opt/sortal /opt/sortal
ENV PATH=/opt/sortal/bin:$PATH PYTHONUNBUFFERED=1 \
    PREFECT_SERVER_UI_STATIC_DIRECTORY=/home/sortal/pages \
    PREFECT_SERVER_ANALYTICS_ENABLED=false DO_NOT_TRACK=1
USER sortal
WORKDIR /data
VOLUME /data
ENTRYPOINT ["sortal"]
CMD ["--help"]
