#!/bin/sh
# Makes the package of the contract: build.sh PYTHON CONTRACT.
set -eu
PYTHONPATH=packages "$1" -m openapi_python_client generate --path "$2" --config settings.yaml \
    --meta none --output-path chat_client
