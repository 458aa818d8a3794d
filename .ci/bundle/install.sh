#!/bin/sh
# Installs the chat from this folder, without a network: sh install.sh [FOLDER]
exec @PYTHON@ "$(dirname "$0")/install.py" "$@"
